import assert from "node:assert/strict";
import golden from "../../fixtures/golden/losses/losses.json" with { type: "json" };
import { numbers, scalar, tensor, writeModel } from "../onnx/mod.ts";
import type { DType, Extent, Graph, Tensor } from "../onnx/mod.ts";
import { RavnError } from "../error.ts";
import { Runtime } from "../runtime/mod.ts";
import { appendLoss, type ComputedLoss, type LossGraph } from "./loss.ts";

interface Case {
  readonly loss: ComputedLoss;
  readonly scale: number;
  readonly output: { readonly dims: readonly number[]; readonly values: readonly number[] };
  readonly labels: {
    readonly dtype: DType;
    readonly dims: readonly number[];
    readonly values: readonly number[];
  };
}

/** A shape whose first dimension is the batch. */
function batched(dims: readonly number[]): Extent[] {
  return [{ perSample: 1 }, ...dims.slice(1)];
}

function lossOf({ loss, output, labels }: Case, opset: number): LossGraph {
  return appendLoss({
    loss,
    output: { name: "y", fact: { dtype: "float32", dims: batched(output.dims) } },
    labels: { name: "t", dtype: labels.dtype, dims: batched(labels.dims) },
    scale: "scale",
    opset,
  });
}

/** A graph that is nothing but the loss. */
function graphOf(added: LossGraph, { output, labels }: Case, opset: number): Graph {
  const free = (dims: readonly number[]) => ["batch", ...dims.slice(1)];
  return {
    name: "loss",
    nodes: [...added.nodes, ...added.gradient.nodes],
    inputs: [
      { name: "y", dtype: "float32", shape: free(output.dims) },
      { name: "t", dtype: labels.dtype, shape: free(labels.dims) },
      { name: "scale", dtype: "float32", shape: [] },
    ],
    outputs: [
      { name: added.loss, dtype: "float32", shape: [] },
      { name: added.gradient.value, dtype: "float32", shape: free(output.dims) },
    ],
    initializers: new Map([...added.initializers, ...added.gradient.initializers]),
    opsets: new Map([["", opset]]),
  };
}

function feedsOf({ output, labels, scale }: Case): Map<string, Tensor> {
  return new Map([
    ["y", tensor("float32", output.dims, output.values)],
    ["t", tensor(labels.dtype, labels.dims, labels.values)],
    ["scale", scalar("float32", scale)],
  ]);
}

async function run(of: Case, opset: number): Promise<{ value: number; gradient: number[] }> {
  using runtime = Runtime.open({ threads: 1 });
  const added = lossOf(of, opset);
  const results = await runtime.evaluate(writeModel(graphOf(added, of, opset)), feedsOf(of));
  const gradient = results.get(added.gradient.value)!;
  assert.deepEqual(gradient.dims, of.output.dims);
  assert.deepEqual(results.get(added.loss)!.dims, []);
  return { value: numbers(results.get(added.loss)!)[0]!, gradient: [...numbers(gradient)] };
}

function assertClose(actual: number, expected: number, what: string): void {
  const error = Math.abs(actual - expected) / Math.max(0.01, Math.abs(expected));
  assert.ok(error < 5e-6, `${what}: ${actual}, expected ${expected}`);
}

/** The classes' weights that the golden file does not write out, being many. */
const MANY_WEIGHTS = Array.from({ length: 1024 }, (_, i) => 0.5 + (i % 5) / 4);

function caseOf(entry: typeof golden[number]): Case {
  const { loss } = entry;
  const weights = "weights" in loss && loss.weights === "many" ? { weights: MANY_WEIGHTS } : {};
  return { ...entry, loss: { ...loss, ...weights } } as Case;
}

for (const entry of golden) {
  const { name, value, gradient } = entry;
  Deno.test(`${name}: value and gradient are PyTorch's`, async () => {
    const found = await run(caseOf(entry), 17);
    assertClose(found.value, value, "loss");
    gradient.forEach((expected, i) => assertClose(found.gradient[i]!, expected, `gradient ${i}`));
  });
}

Deno.test("every loss holds for opsets 13 to 22", async () => {
  const chosen = new Set([
    ...["mse", "l1", "huber, 0.4", "bce", "bce of probabilities", "kl, batchmean, false"],
    ...["cross entropy", "cross entropy, many classes"],
    ...["weighted cross entropy, ignoring, smoothing 0.1", "weighted cross entropy, many classes"],
  ]);
  for (const entry of golden.filter(({ name }) => chosen.has(name))) {
    for (const opset of [13, 15, 18, 22]) {
      assertClose((await run(caseOf(entry), opset)).value, entry.value, `${entry.name} ${opset}`);
    }
  }
});

Deno.test("the gradient is the slope of the loss", async () => {
  const loss = { type: "cross_entropy", label_smoothing: 0.2, ignore_index: 9 } as const;
  const values = Array.from({ length: 12 }, (_, i) => Math.sin(3 * i));
  const labels = { dtype: "int64", dims: [4], values: [1, 9, 0, 2] } as const;
  const at = (output: readonly number[]): Case => ({
    loss,
    scale: 1,
    output: { dims: [4, 3], values: output },
    labels,
  });
  const { gradient } = await run(at(values), 17);
  const step = 1e-2;
  for (const i of [0, 1, 4, 8, 11]) {
    const up = await run(at(values.with(i, values[i]! + step)), 17);
    const down = await run(at(values.with(i, values[i]! - step)), 17);
    const slope = (up.value - down.value) / (2 * step);
    assert.ok(Math.abs(slope - gradient[i]!) < 1e-4, `element ${i}: ${slope}, ${gradient[i]}`);
  }
});

Deno.test("so are those of the other losses, where they have a slope", async () => {
  const smooth = ["huber", "smooth_l1", "bce", "bce_with_logits", "kl", "l1", "cross_entropy"];
  const step = 1e-3;
  for (const type of smooth) {
    const of = caseOf(
      golden.findLast(({ name, loss }) =>
        loss.type === type && !/many|certain|hit|0\.0/.test(name)
      )!,
    );
    const { gradient } = await run(of, 17);
    const { values } = of.output;
    for (const i of [0, 3, values.length - 1]) {
      const at = (value: number) => ({
        ...of,
        output: { ...of.output, values: values.with(i, value) },
      });
      const up = await run(at(values[i]! + step), 17);
      const down = await run(at(values[i]! - step), 17);
      const slope = of.scale * (up.value - down.value) / (2 * step);
      const error = Math.abs(slope - gradient[i]!);
      assert.ok(error < 2e-3, `${type}, element ${i}: ${slope}, ${gradient[i]}`);
    }
  }
});

Deno.test("with nothing that counts, loss and gradient are 0", async () => {
  for (const weights of [undefined, [1, 2, 3]]) {
    for (const label_smoothing of [0, 0.1]) {
      const { value, gradient } = await run({
        loss: { type: "cross_entropy", label_smoothing, ignore_index: -100, weights },
        scale: 1,
        output: { dims: [2, 3], values: [1, 2, 3, 4, 5, 6] },
        labels: { dtype: "int64", dims: [2], values: [-100, -100] },
      }, 17);
      assert.equal(value, 0);
      assert.ok(gradient.every((slope) => slope === 0));
    }
  }
});

Deno.test("weights that are not as many as the classes are refused", () => {
  const output = { dims: [2, 3], values: [] };
  const labels = { dtype: "int64", dims: [2], values: [] } as const;
  assert.throws(
    () => lossOf({ loss: { type: "nll", weights: [1, 2] }, scale: 1, output, labels }, 17),
    /loss nll: weights has 2 values for output "y" \[batch,3\]; expected one for each of 3/,
  );
  const dense = { dtype: "float32", dims: [2, 3], values: [] } as const;
  const bce = { type: "bce_with_logits", pos_weight: [1] } as const;
  assert.throws(
    () => lossOf({ loss: bce, scale: 1, output, labels: dense }, 17),
    /pos_weight has 1/,
  );
});

Deno.test("labels with the class axis last are found by their shape", async () => {
  const of: Case = {
    loss: { type: "cross_entropy", label_smoothing: 0 },
    scale: 1,
    output: { dims: [1, 2, 3], values: [0, 0, 2, 2, 0, 0] },
    labels: { dtype: "int64", dims: [1, 2], values: [2, 0] },
  };
  assertClose((await run(of, 17)).value, Math.log(1 + 2 * Math.exp(-2)), "loss");
});

Deno.test("losses are few nodes, and validation needs only those of the value", () => {
  const output = { dims: [2, 10], values: [] };
  const index = { dtype: "int64", dims: [2], values: [] } as const;
  const dense = { dtype: "float32", dims: [2, 10], values: [] } as const;
  const smoothed = { type: "cross_entropy", label_smoothing: 0 } as const;
  const cases: [ComputedLoss, Case["labels"], number, number][] = [
    [{ type: "mse" }, dense, 3, 5],
    [{ type: "bce_with_logits" }, dense, 4, 6],
    [smoothed, index, 7, 4],
    [smoothed, dense, 4, 8],
    [{ type: "nll" }, index, 6, 2],
  ];
  for (const [loss, labels, value, gradient] of cases) {
    const added = lossOf({ loss, scale: 1, output, labels }, 17);
    assert.ok(added.nodes.length <= value, `${loss.type}: ${added.nodes.length}`);
    assert.ok(added.gradient.nodes.length <= gradient, `${loss.type}: gradient`);
    const made = new Set([...added.nodes.flatMap((node) => node.outputs), "y", "t"]);
    const known = (name: string) => made.has(name) || added.initializers.has(name);
    assert.ok(added.nodes.every(({ inputs }) => inputs.every(known)));
  }
});

Deno.test("labels that do not go with the output are refused", () => {
  const refused = (of: Omit<Case, "scale">, message: RegExp) =>
    assert.throws(() => lossOf({ ...of, scale: 1 }, 17), (thrown) => {
      assert.ok(thrown instanceof RavnError);
      assert.match(thrown.message, message);
      return true;
    });
  const output = { dims: [2, 10], values: [] };
  refused(
    { loss: { type: "mse" }, output, labels: { dtype: "float32", dims: [2, 7], values: [] } },
    /loss mse: labels float32 \[batch,7\] do not go with output "y" \[batch,10\]; expected float32/,
  );
  refused(
    { loss: { type: "nll" }, output, labels: { dtype: "int64", dims: [2, 1], values: [] } },
    /labels int64 \[batch,1\] do not go/,
  );
});
