import assert from "node:assert/strict";
import {
  firstOpset,
  isKnownDomain,
  knownDomains,
  OPSETS,
  signatureOf,
  withoutOmittedEnd,
} from "./operators.ts";
import { MICROSOFT_OPERATORS, NCHWC_OPERATORS } from "./operators_microsoft.ts";
import { ONNX_OPERATORS } from "./operators_onnx.ts";

Deno.test("every row of the tables is well-formed", () => {
  const version = /^(\d+ )?(removed|(-|r*[roe]*\*?)>(-|[roe]*\*?)( \w+)*)$/;
  for (const table of [ONNX_OPERATORS, MICROSOFT_OPERATORS, NCHWC_OPERATORS]) {
    assert.deepEqual(Object.keys(table), Object.keys(table).toSorted());
    for (const [op, text] of Object.entries(table)) {
      const versions = text.split(" | ");
      for (const part of versions) assert.match(part, version, `${op}: ${part}`);
      const numbers = versions.map((part) => Number(/^\d+/.exec(part)?.[0] ?? 1));
      assert.deepEqual(numbers, numbers.toSorted((a, b) => a - b), op);
      assert.ok(numbers.every((n) => n === 1 || n > OPSETS.oldest && n <= OPSETS.newest), op);
    }
  }
});

Deno.test("arity follows the opset", () => {
  const inputsOf = (op: string, opset: number) => {
    const inputs = signatureOf("", op, opset)?.inputs;
    return inputs && [inputs.min, inputs.max];
  };
  assert.deepEqual(inputsOf("Conv", 7), [2, 3]);
  assert.deepEqual(inputsOf("Clip", 10), [1, 1]);
  assert.deepEqual(inputsOf("Clip", 11), [1, 3]);
  assert.deepEqual(inputsOf("Slice", 9), [1, 1]);
  assert.deepEqual(inputsOf("Slice", 10), [3, 5]);
  assert.deepEqual(inputsOf("ReduceSum", 12), [1, 1]);
  assert.deepEqual(inputsOf("ReduceSum", 13), [1, 2]);
  assert.deepEqual(inputsOf("ReduceMean", 17), [1, 1]);
  assert.deepEqual(inputsOf("ReduceMean", 18), [1, 2]);
  assert.deepEqual(inputsOf("Gemm", 10), [3, 3]);
  assert.deepEqual(inputsOf("Gemm", 11), [2, 3]);
  assert.deepEqual(inputsOf("Concat", 13), [1, Infinity]);
  assert.deepEqual(inputsOf("Constant", 13), [0, 0]);
  const norm = (opset: number) => signatureOf("", "BatchNormalization", opset)!.outputs.max;
  assert.deepEqual([norm(9), norm(14), norm(15)], [5, 3, 3]);
});

Deno.test("operators come and go", () => {
  assert.equal(firstOpset("", "Gelu"), 20);
  assert.equal(signatureOf("", "Gelu", 17), undefined);
  assert.equal(firstOpset("", "Upsample"), 1);
  assert.ok(signatureOf("", "Upsample", 9));
  assert.equal(signatureOf("", "Upsample", 10), undefined);
  assert.equal(firstOpset("", "toString"), undefined);
  assert.equal(firstOpset("", "Frobnicate"), undefined);
});

Deno.test("required positions and attributes are known", () => {
  const resize = signatureOf("", "Resize", 11)!;
  assert.deepEqual(resize.inputs, { min: 3, max: 4, required: [0, 1, 2] });
  // Iteration count and condition of a Loop are listed, but may be empty.
  assert.deepEqual(signatureOf("", "Loop", 13)!.inputs, { min: 2, max: Infinity, required: [] });
  assert.deepEqual(signatureOf("", "MaxPool", 12)!.attributes, ["kernel_shape"]);
  const attention = signatureOf("com.microsoft", "DecoderAttention", 1)!;
  assert.deepEqual([attention.inputs.min, attention.inputs.required.includes(5)], [12, false]);
});

Deno.test("ONNX Runtime's own domains are known", () => {
  assert.deepEqual(knownDomains(), ["", "com.microsoft", "com.microsoft.nchwc"]);
  assert.ok(!isKnownDomain("ai.onnx.ml"));
  for (
    const op of ["FusedMatMul", "FusedConv", "FusedGemm", "BiasGelu", "SkipLayerNormalization"]
  ) {
    assert.ok(signatureOf("com.microsoft", op, 1), op);
  }
  for (const op of ["Conv", "ReorderInput", "ReorderOutput", "MaxPool"]) {
    assert.ok(signatureOf("com.microsoft.nchwc", op, 1), op);
  }
});

Deno.test("omitted inputs at the end are not listed, as far as the operator allows", () => {
  assert.deepEqual(withoutOmittedEnd(["x", "", "w", "", ""], 1), ["x", "", "w"]);
  assert.deepEqual(withoutOmittedEnd(["", ""], 2), ["", ""]);
  assert.deepEqual(withoutOmittedEnd(["x", ""], 3), ["x", ""]);
  assert.deepEqual(withoutOmittedEnd([], 0), []);
});
