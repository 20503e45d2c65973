import { floatOf } from "../../onnx/mod.ts";
import type { Call } from "../call.ts";
import { type Gradient, rule, type RuleEntry } from "../rule.ts";
import { affineGradients, normalise } from "./normalised.ts";

/** Output that gives the sum of the inputs before it is normalised. */
const SUM_OUTPUT = 3;

/** Position of the bias that is added to the sum, the last input. */
const biasAt = { centred: 4, plain: 3 } as const;

/** x + skip + bias: given out by the node, or added up again. */
function sumOf(call: Call, bias: number): string {
  const given = call.node.outputs[SUM_OUTPUT] ?? "";
  if (given !== "") return given;
  const sum = call.emit.add(call.input(0), call.input(1));
  return call.has(bias) ? call.emit.add(sum, call.input(bias)) : sum;
}

function skipNormalization(call: Call, form: "centred" | "plain"): (Gradient | undefined)[] {
  const { emit, node, outputGradients } = call;
  if (outputGradients[1] !== undefined || outputGradients[2] !== undefined) {
    call.refuse("its statistics carry no gradient");
  }
  const dims = call.dims(call.input(0));
  const bias = biasAt[form];
  const epsilon = floatOf(node, "epsilon", 1e-12);
  const axes = [dims.length - 1];
  const affine = affineGradients(call, {
    dims,
    normalised: () =>
      normalise(call, sumOf(call, bias), { axes, epsilon, centred: form === "centred" }),
    scale: 2,
    bias: 3,
  });
  // What arrives at the sum itself comes on top of what passes through the norm.
  const beside = outputGradients[SUM_OUTPUT];
  const sum = () => {
    if (outputGradients[0] === undefined) return beside!;
    return beside === undefined ? affine.data() : emit.add(affine.data(), beside);
  };
  const normed = outputGradients[0] !== undefined;
  const ofSum = (i: number) => () => call.unbroadcast(sum(), dims, i);
  const ofAffine = (gradient: Gradient) => normed ? gradient : undefined;
  const tail = form === "centred" ? [ofAffine(affine.bias)] : [];
  return [sum, ofSum(1), ofAffine(affine.scale), ...tail, ofSum(bias)];
}

/** y = LayerNormalization(x + skip + bias) in one node of ONNX Runtime. */
export const skipLayerNormalization: RuleEntry = [
  rule((call) => skipNormalization(call, "centred")),
];

/** y = RMSNormalization(x + skip + bias) in one node of ONNX Runtime. */
export const skipSimplifiedLayerNormalization: RuleEntry = [
  rule((call) => skipNormalization(call, "plain")),
];
