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
