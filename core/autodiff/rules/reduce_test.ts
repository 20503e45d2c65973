import assert from "node:assert/strict";
import { GraphBuilder, numbers, tensor, traceFacts, writeModel } from "../../onnx/mod.ts";
import { gradientGraph } from "../gradient_graph.ts";
import { type Case, type Operand, runtime, testCases } from "./gradient_check_test.ts";

const double = { dtype: "float64" as const };

/** The axes of a reduction as an input. */
function axesInput(axes: readonly number[]): Operand {
  return { dims: [axes.length], dtype: "int64", values: axes };
}

/** A reduction in every form: axes as attribute, as input, left out, empty. */
function reduction(op: string, range: readonly [number, number] = [-1.5, 1.5]): Case[] {
  const x: Operand = { dims: ["batch", 2, 3], range };
  const asInput = op === "ReduceSum" ? [13] : [18, 22];
  return [0, 1].flatMap((keepdims): Case[] => [
    ...[[1], [0], [-1, 0], [2, 1], [0, 1, 2]].flatMap((axes) => [
      { op, ...double, opset: 12, attributes: { keepdims, axes }, operands: [x] },
      ...asInput.map((opset): Case => ({
        op,
        ...double,
        opset,
        attributes: { keepdims },
        operands: [x, axesInput(axes)],
      })),
    ]),
    { op, ...double, opset: 11, attributes: { keepdims }, operands: [x] },
    { op, ...double, opset: 18, attributes: { keepdims }, operands: [x] },
    ...[[x], [x, axesInput([])]].map((operands): Case => ({
      op,
      ...double,
      opset: 18,
      attributes: { keepdims, noop_with_empty_axes: 1 },
      operands,
    })),
  ]);
}

testCases("ReduceSum, ReduceMean", [...reduction("ReduceSum"), ...reduction("ReduceMean")]);

testCases("ReduceMax, ReduceMin", [...reduction("ReduceMax"), ...reduction("ReduceMin")]);

testCases("ReduceL1, ReduceL2, ReduceSumSquare", [
  ...reduction("ReduceL1"),
  ...reduction("ReduceL2"),
  ...reduction("ReduceSumSquare"),
]);

testCases("ReduceLogSum, ReduceLogSumExp", [
  ...reduction("ReduceLogSum", [0.5, 2]),
  ...reduction("ReduceLogSumExp"),
]);

testCases("ReduceProd, with one zero and with several among its elements", [
  ...reduction("ReduceProd"),
  ...[[2, 0, 3, -1, 0, 0], [0, 0, 0, 0.5, 4, -2], [0, 1, 2, 3, 0, 5]].flatMap((values) =>
    [[1], [0], [0, 1]].map((axes): Case => ({
      op: "ReduceProd",
      ...double,
      opset: 18,
      operands: [{ dims: ["batch", 3], values }, axesInput(axes)],
    }))
  ),
]);

testCases("LpNormalization, MeanVarianceNormalization", [
  ...[1, 2].flatMap((p) =>
    [0, 1, -1].map((axis): Case => ({
      op: "LpNormalization",
      ...double,
      attributes: { p, axis },
      operands: [["batch", 3, 4]],
    }))
  ),
  ...[undefined, [1], [2, 3], [0, -1]].map((axes): Case => ({
    op: "MeanVarianceNormalization",
    attributes: axes === undefined ? {} : { axes },
    operands: [["batch", 3, 2, 4]],
    tolerance: 0.01,
  })),
]);

/** dL/dx for L = Σy with y = op(x), at one x. */
async function gradientAt(
  op: string,
  values: readonly number[],
  attributes: Readonly<Record<string, number | readonly number[]>> = {},
  opset: number = 17,
): Promise<number[]> {
  const b = new GraphBuilder("point", opset);
  const x = b.input("x", "float32", ["batch", values.length]);
  b.output(b.node(op, [x], { ...attributes }, { outputs: ["y"] }), "float32");
  const graph = b.build();
  const feeds = new Map([["x", tensor("float32", [1, values.length], values)]]);
  const facts = await traceFacts(graph, runtime().evaluate, { batch: 2 });
  const whole = gradientGraph(graph, facts, { outputs: ["y"], wrt: ["x"] });
  const y = (await runtime().evaluate(writeModel(graph), feeds)).get("y")!;
  const ones = tensor("float32", y.dims, numbers(y).map(() => 1));
  const seeded = new Map([...feeds, [whole.seeds.get("y")!, ones]]);
  const results = await runtime().evaluate(writeModel(whole.graph), seeded);
  return Array.from(numbers(results.get(whole.gradients.get("x")!)!));
}

Deno.test("at a kink the gradient is finite, and shared among equal elements", async () => {
  const axes = [1];
  assert.deepEqual(await gradientAt("ReduceL2", [0, 0, 0], { axes }), [0, 0, 0]);
  assert.deepEqual(await gradientAt("ReduceL1", [0, 2, -2], { axes }), [0, 1, -1]);
  assert.deepEqual(await gradientAt("LpNormalization", [0, 0, 0]), [0, 0, 0]);
  assert.deepEqual(await gradientAt("LpNormalization", [0, 0], { p: 1 }), [0, 0]);
  assert.deepEqual(await gradientAt("ReduceMax", [3, 1, 3, 3], { axes }), [
    Math.fround(1 / 3),
    0,
    Math.fround(1 / 3),
    Math.fround(1 / 3),
  ]);
});

Deno.test("gradients keep their digits where a naive formula loses them", async () => {
  const close = async (op: string, x: number, expected: number, opset = 17) => {
    const [actual] = await gradientAt(op, [x], {}, opset);
    // ONNX Runtime's Sigmoid is right to 1e-7, whatever its size.
    const off = Math.abs(actual! - expected) / Math.max(0.5, Math.abs(expected));
    assert.ok(off < 2e-6, `${op}'(${x}) is ${actual}, expected ${expected}`);
  };
  const near = Math.fround(1 - 2 ** -20);
  await close("Atanh", near, 1 / ((1 - near) * (1 + near)));
  await close("Asin", -near, 1 / Math.sqrt((1 - near) * (1 + near)));
  const above = Math.fround(1 + 2 ** -20);
  await close("Acosh", above, 1 / Math.sqrt((above - 1) * (above + 1)));
  await close("Softplus", -15, 1 / (1 + Math.exp(15)));
  await close("Softplus", 80, 1);
  await close("ReduceLogSumExp", 500, 1);
  await close("Mish", 40, 1, 18);
  await close("Swish", 60, 1, 24);
  await close("Swish", -15, -14 * Math.exp(-15), 24);
});
