import assert from "node:assert/strict";
import { digitsCnn } from "../../models/mod.ts";
import { GraphBuilder, int64s, tensor } from "../onnx/mod.ts";
import { modelState } from "./trainable.ts";

const floats = (...dims: number[]) =>
  tensor("float32", dims, new Float32Array(dims.reduce((a, b) => a * b, 1)));

Deno.test("weights of layers train, running statistics do not, constants are neither", () => {
  const { trainable, buffers } = modelState(digitsCnn({ seed: 1 }));
  assert.deepEqual(trainable.slice(0, 4), [
    "conv2d_1.weight",
    "conv2d_1.bias",
    "bn_1.weight",
    "bn_1.bias",
  ]);
  assert.equal(trainable.length, 14);
  assert.deepEqual(buffers.slice(0, 2), ["bn_1.running_mean", "bn_1.running_var"]);
  assert.equal(buffers.length, 6);
});

Deno.test("biases and scales of more than one element train; single numbers do not", () => {
  const b = new GraphBuilder("g");
  let x = b.input("x", "float32", ["batch", 4]);
  x = b.node("Mul", [x, b.initializer("half", floats())]);
  x = b.node("Mul", [x, b.initializer("scale", floats(4))]);
  x = b.node("Pow", [x, b.initializer("exponents", floats(4))]);
  x = b.node("MatMul", [x, b.initializer("weight", floats(4, 4))]);
  x = b.node("Add", [b.initializer("bias", floats(4)), x]);
  x = b.node("Reshape", [x, b.initializer("shape", int64s([-1, 4]))]);
  b.output(x, "float32");
  assert.deepEqual(modelState(b.build()).trainable, ["scale", "weight", "bias"]);
});

Deno.test("a weight is found behind operators that only reshape it", () => {
  const b = new GraphBuilder("g");
  const x = b.input("x", "float32", ["batch", 4]);
  const weight = b.initializer("weight", floats(8, 4));
  const table = b.initializer("table", floats(8, 4));
  const y = b.node("MatMul", [
    x,
    b.node("Transpose", [b.node("Identity", [weight])], { perm: [1, 0] }),
  ]);
  b.output(y, "float32");
  b.output(b.node("Transpose", [table], { perm: [1, 0] }), "float32");
  assert.deepEqual(modelState(b.build()).trainable, ["weight"]);
});

Deno.test("masks, buffers and constants of a normalisation are fixed, and it says why", () => {
  const b = new GraphBuilder("g");
  const given = (name: string, dims: number[], values: number[]) =>
    b.initializer(name, tensor("float32", dims, values));
  let x = b.input("x", "float32", ["batch", 2]);
  x = b.node("Sub", [x, given("mean", [2], [0.4, 0.5])]);
  x = b.node("Div", [x, given("deviation", [2], [0.2, 0.3])]);
  x = b.node("MatMul", [x, given("fc.weight", [2, 2], [1, 2, 3, 4])]);
  x = b.node("Sub", [x, given("fc.shift", [2], [1, 2])]);
  x = b.node("Mul", [x, given("tril", [2, 2], [1, 0, 1, 1])]);
  x = b.node("Add", [x, given("future", [2], [0, -10000])]);
  x = b.node("Mul", [x, given("rope.cos_cached", [2], [1, 0.5])]);
  x = b.node("Mul", [x, given("logit_scale", [1], [2.6])]);
  x = b.node("Mul", [x, given("half", [1], [0.5])]);
  b.output(x, "float32");
  const { trainable, fixed } = modelState(b.build());
  assert.deepEqual(trainable, ["fc.weight", "fc.shift", "logit_scale"]);
  assert.deepEqual(Object.fromEntries(fixed.map(({ name, why }) => [name, why])), {
    mean: "no layer takes it as a weight",
    deviation: "no layer takes it as a weight",
    tril: "the values of a mask",
    future: "the values of a mask",
    "rope.cos_cached": "its name is that of a buffer",
  });
});

Deno.test("the ones and zeros of a norm without weights are no parameters", () => {
  const b = new GraphBuilder("g");
  const x = b.input("x", "float32", ["batch", 2, 3, 3]);
  const norm = (scale: string, bias: string) => {
    const filled = (name: string, value: number) =>
      b.initializer(name, tensor("float32", [2], [value, value]));
    return b.node("InstanceNormalization", [x, filled(scale, 1), filled(bias, 0)]);
  };
  b.output(b.node("Add", [norm("ones", "zeros"), norm("norm.weight", "norm.bias")]), "float32");
  assert.deepEqual(modelState(b.build()).trainable, ["norm.weight", "norm.bias"]);
});

Deno.test("a weight may be transformed on its way", () => {
  const b = new GraphBuilder("g");
  const x = b.input("x", "float32", ["batch", 4]);
  const scale = b.node("Exp", [b.initializer("log_scale", floats(4))]);
  b.output(b.node("Mul", [x, scale]), "float32");
  assert.deepEqual(modelState(b.build()).trainable, ["log_scale"]);
});
