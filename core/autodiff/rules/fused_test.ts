import { type Case, testCases } from "./gradient_check_test.ts";

const domain = "com.microsoft";

testCases("Gelu of a sum with a bias", [
  { op: "BiasGelu", domain, operands: [["batch", 4], [4]] },
  { op: "BiasGelu", domain, operands: [["batch", 2, 3, 4], [4]] },
  { op: "FastGelu", domain, operands: [["batch", 3, 4]] },
  { op: "FastGelu", domain, operands: [["batch", 4], [4]] },
  { op: "FastGelu", domain, operands: [["batch", 3, 4], [4]] },
]);

/** Elements far from the corners of the activations. */
const even = (dims: readonly (number | "batch")[], spaced: number) => ({ dims, spaced });

const gemmActivations: readonly Case["attributes"][] = [
  { activation: "Relu" },
  { activation: "Tanh" },
  { activation: "Sigmoid" },
  { activation: "LeakyRelu", activation_alpha: 0.1 },
];

testCases("FusedGemm: the activation, then the product", [
  ...gemmActivations.map((attributes): Case => ({
    op: "FusedGemm",
    domain,
    attributes: { ...attributes, transB: 1, alpha: 0.5 },
    operands: [even(["batch", 4], 0.3), even([3, 4], 0.2), [3]],
  })),
  { op: "FusedGemm", domain, attributes: { activation: "Tanh" }, operands: [["batch", 4], [4, 2]] },
]);

const convActivations: readonly Case["attributes"][] = [
  { activation: "Relu" },
  { activation: "Tanh" },
  { activation: "Sigmoid" },
  { activation: "LeakyRelu", activation_params: [0.1] },
  { activation: "Clip", activation_params: [-1.3, 1.7] },
  { activation: "HardSigmoid", activation_params: [0.2, 0.5] },
  {},
];

testCases("FusedConv: the activation, then the convolution and what was added", [
  ...convActivations.map((attributes): Case => ({
    op: "FusedConv",
    domain,
    attributes: { ...attributes, pads: [1, 1, 1, 1], kernel_shape: [3, 3] },
    operands: [even(["batch", 2, 3, 3], 0.05), even([2, 2, 3, 3], 0.04), [2]],
    step: 2e-3,
    tolerance: 1e-2,
  })),
  {
    op: "FusedConv",
    domain,
    attributes: { activation: "Tanh", kernel_shape: [2, 2], strides: [2, 2] },
    operands: [["batch", 2, 4, 4], [3, 2, 2, 2], [3], ["batch", 3, 2, 2]],
  },
]);
