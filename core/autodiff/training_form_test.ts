import assert from "node:assert/strict";
import { RavnError } from "../error.ts";
import {
  type Graph,
  GraphBuilder,
  numbers,
  type Tensor,
  tensor,
  traceFacts,
  writeModel,
} from "../onnx/mod.ts";
import { dropoutKeeps } from "./dropout_hash.ts";
import { checkGradients, runtime } from "./rules/gradient_check_test.ts";
import { trainingForm } from "./training_form.ts";

const float = (value: number) => ({ type: "float", value } as const);

function wave(dims: readonly number[], offset = 0): Tensor {
  const count = dims.reduce((product, n) => product * n, 1);
  return tensor("float32", dims, Array.from({ length: count }, (_, i) => Math.sin(i) + offset));
}

function only(graph: Graph, op: string) {
  const found = graph.nodes.filter((node) => node.op === op);
  assert.equal(found.length, 1, `${found.length} nodes are ${op}`);
  return found[0]!;
}

async function inTrainingForm(graph: Graph, maskAs: "input" | "graph" = "input") {
  const facts = await traceFacts(graph, runtime().evaluate, { batch: 2 });
  return trainingForm(graph, facts, { statistics: true, maskAs });
}

/** The graph with all values of `names` as outputs. */
function observing(graph: Graph, names: readonly string[]): Uint8Array {
  const outputs = names.map((name) => ({ name, dtype: "float32" as const }));
  return writeModel({ ...graph, outputs });
}

function normalising(opset: number, o: { outputs?: number; channels?: number } = {}): Graph {
  const c = o.channels ?? 3;
  const builder = new GraphBuilder("bn", opset);
  builder.input("x", "float32", ["batch", c, 2, 2]);
  builder.initializer("scale", wave([c], 2));
  builder.initializer("bias", wave([c]));
  builder.initializer("mean", wave([c]));
  builder.initializer("variance", wave([c], 2));
  const training = (o.outputs ?? 1) > 1;
  const mode: Record<string, number> = training && opset >= 14 ? { training_mode: 1 } : {};
  const attributes = { epsilon: 1e-3, momentum: Math.fround(0.8), ...mode };
  const inputs = ["x", "scale", "bias", "mean", "variance"];
  const outputs = ["y", "a", "b", "c", "d"].slice(0, o.outputs ?? 1);
  builder.nodes("BatchNormalization", inputs, attributes, { name: "bn", outputs });
  builder.output("y", "float32", ["batch", c, 2, 2]);
  return builder.build();
}

/** Mean and population variance of each channel of [N, C, 2, 2]. */
function statisticsOf(x: Tensor): { mean: number[]; variance: number[] } {
  const [n, c] = x.dims as [number, number];
  const values = numbers(x);
  const channel = (k: number) =>
    Array.from({ length: n * 4 }, (_, i) => values[(Math.floor(i / 4) * c + k) * 4 + i % 4]!);
  const mean = (all: number[]) => all.reduce((sum, v) => sum + v, 0) / all.length;
  const channels = Array.from({ length: c }, (_, k) => channel(k));
  return {
    mean: channels.map(mean),
    variance: channels.map((all) => mean(all.map((v) => (v - mean(all)) ** 2))),
  };
}

function assertClose(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance = 1e-5) {
  assert.equal(actual.length, expected.length);
  for (let i = 0; i < actual.length; i++) {
    assert.ok(
      Math.abs(actual[i]! - expected[i]!) <= tolerance * Math.max(1, Math.abs(expected[i]!)),
      `[${i}] is ${actual[i]}, expected ${expected[i]}`,
    );
  }
}

Deno.test("BatchNormalization normalises by the batch and gives out its statistics", async () => {
  const sources = [
    normalising(9),
    normalising(12),
    normalising(15),
    normalising(15, { channels: 1 }),
  ];
  for (const source of sources) {
    const { graph, statistics, facts } = await inTrainingForm(source);
    const [mean, variance] = statistics;
    const perSample = { perSample: 4 };
    const momentum = 1 - 0.8;
    assert.deepEqual(statistics, [
      { running: "mean", batch: mean!.batch, kind: "mean", momentum, count: perSample },
      { running: "variance", batch: variance!.batch, kind: "variance", momentum, count: perSample },
    ]);
    for (const { outputs } of graph.nodes) for (const name of outputs) assert.ok(facts.has(name));
    for (const batch of [1, 3]) {
      const x = wave([batch, source.inputs[0]!.shape![1] as number, 2, 2], 0.5);
      const values = await runtime().evaluate(
        observing(graph, ["y", mean!.batch, variance!.batch]),
        new Map([["x", x]]),
      );
      const expected = statisticsOf(x);
      assertClose(numbers(values.get(mean!.batch)!), expected.mean);
      assertClose(numbers(values.get(variance!.batch)!), expected.variance);
      const scale = numbers(source.initializers.get("scale")!);
      const bias = numbers(source.initializers.get("bias")!);
      const c = expected.mean.length;
      const y = Array.from(numbers(x), (v, i) => {
        const k = Math.floor(i / 4) % c;
        return (v - expected.mean[k]!) / Math.sqrt(expected.variance[k]! + 1e-3) * scale[k]! +
          bias[k]!;
      });
      assertClose(numbers(values.get("y")!), y, 1e-4);
    }
  }
});

Deno.test("a BatchNormalization that is in training form already is taken as it is", async () => {
  const { graph, statistics } = await inTrainingForm(normalising(15, { outputs: 3 }));
  const node = only(graph, "BatchNormalization");
  assert.equal(node.outputs.length, 3);
  assert.deepEqual(node.outputs.slice(1), statistics.map(({ batch }) => batch));
  assert.notEqual(node.inputs[3], node.inputs[4]);
});

Deno.test("gradients pass through both training forms of BatchNormalization", async () => {
  for (const opset of [12, 15]) {
    const { graph } = await inTrainingForm(normalising(opset));
    const feeds = new Map([["x", wave([2, 3, 2, 2], 0.5)]]);
    const outputs = graph.outputs;
    await checkGradients({ ...graph, outputs }, {
      feeds,
      wrt: ["x", "scale", "bias"],
      what: `opset ${opset}`,
      step: 0.01,
      tolerance: 1e-2,
    });
  }
});

Deno.test("ONNX Runtime does not mix up the statistics of two layers of one size", async () => {
  const builder = new GraphBuilder("two");
  let value = builder.input("x", "float32", ["batch", 3, 2, 2]);
  const wrt = ["x"];
  for (const layer of ["1", "2"]) {
    const given: [string, Tensor][] = [["scale", wave([3], 2)], ["bias", wave([3])]];
    const stored: [string, Tensor][] = [["mean", wave([3], 0)], ["variance", wave([3], 2)]];
    const names = [...given, ...stored].map(([name, t]) => builder.initializer(name + layer, t));
    wrt.push(...names.slice(0, 2));
    value = builder.node("BatchNormalization", [value, ...names], { epsilon: 0.1 });
    value = builder.node("Sigmoid", [value]);
  }
  builder.output(value, "float32", ["batch", 3, 2, 2]);
  const { graph } = await inTrainingForm(builder.build());
  const feeds = new Map([["x", wave([2, 3, 2, 2], 0.5)]]);
  await checkGradients(graph, { feeds, wrt, what: "two layers", step: 0.01, tolerance: 1e-2 });
});

Deno.test("a BatchNormalization whose statistics are read or computed is refused", async () => {
  const read = normalising(15, { outputs: 3 });
  const outputs = [...read.outputs, { name: "a", dtype: "float32" as const }];
  const facts = await traceFacts(read, runtime().evaluate, { batch: 2 });
  assert.throws(
    () => trainingForm({ ...read, outputs }, facts, { statistics: true, maskAs: "input" }),
    (e: unknown) => e instanceof RavnError && /"bn" \(BatchNormalization\).*"a"/.test(e.message),
  );
});

function dropping(opset: number, ratio: number | undefined, mask = false): Graph {
  const builder = new GraphBuilder("drop", opset);
  const x = builder.input("x", "float32", ["batch", 3, 5]);
  const byInput = opset >= 12 && ratio !== undefined;
  const inputs = byInput ? [x, builder.constant(tensor("float32", [], [ratio]))] : [x];
  const attributes = opset < 12 && ratio !== undefined ? { ratio: float(ratio) } : {};
  const outputs = mask ? ["y", "m"] : ["y"];
  builder.nodes("Dropout", inputs, attributes, { name: "drop", outputs });
  builder.output("y", "float32", ["batch", 3, 5]);
  return builder.build();
}

Deno.test("Dropout becomes a product with a mask that is fed", async () => {
  for (const [opset, given, ratio] of [[7, 0.25, 0.25], [10, undefined, 0.5], [13, 0.4, 0.4]]) {
    const { graph, masks, facts } = await inTrainingForm(dropping(opset!, given));
    const [{ input, salt }] = masks as [typeof masks[0]];
    assert.deepEqual(masks, [{ input, dims: [{ perSample: 1 }, 3, 5], ratio, salt }]);
    assert.equal(only(graph, "Mul").inputs[1], input);
    assert.deepEqual(graph.inputs.at(-1), {
      name: input,
      dtype: "float32",
      shape: ["batch", 3, 5],
    });
    assert.ok(facts.has(input));
  }
});

Deno.test("Dropout that drops nothing is the identity", async () => {
  const { graph, masks } = await inTrainingForm(dropping(13, 0));
  only(graph, "Identity");
  assert.equal(masks.length, 0);
});

Deno.test("a mask made in the graph is the mask of the reference hash", async () => {
  for (const opset of [11, 17]) {
    for (const [ratio, seed, step] of [[0.25, 0, 0], [0.5, 42, 7], [0.9, 4294967295, 123456]]) {
      const { graph, masks, facts } = await inTrainingForm(dropping(opset, ratio), "graph");
      assert.equal(masks.length, 0);
      for (const { outputs } of graph.nodes) for (const name of outputs) assert.ok(facts.has(name));
      const x = tensor("float32", [4, 3, 5], new Array(60).fill(1));
      const feeds = new Map([
        ["x", x],
        ["ravn.seed", tensor("uint32", [1], [seed!])],
        ["ravn.step", tensor("uint32", [1], [step!])],
      ]);
      const y = numbers((await runtime().evaluate(writeModel(graph), feeds)).get("y")!);
      const { masks: [mask] } = await inTrainingForm(dropping(opset, ratio));
      const expected = Array.from(
        y,
        (_, i) => dropoutKeeps(seed!, step!, mask!.salt, i, ratio!) ? 1 / (1 - ratio!) : 0,
      );
      assertClose(y, expected, 1e-6);
    }
  }
});

Deno.test("Dropout is refused where its mask is read or its ratio is out of range", async () => {
  const masked = dropping(13, 0.5, true);
  const outputs = [...masked.outputs, { name: "m", dtype: "bool" as const }];
  await assert.rejects(
    inTrainingForm({ ...masked, outputs }),
    (e: unknown) =>
      e instanceof RavnError && /"drop" \(Dropout\): its mask output "m"/.test(e.message),
  );
  const facts = await traceFacts(dropping(13, 0.5), runtime().evaluate, { batch: 2 });
  assert.throws(
    () => trainingForm(dropping(13, 1), facts, { statistics: true, maskAs: "input" }),
    (e: unknown) => e instanceof RavnError && /ratio 1; expected 0 <= ratio < 1/.test(e.message),
  );
});

Deno.test("MaxPool tells where it found its maxima", async () => {
  const builder = new GraphBuilder("pool");
  builder.input("x", "float32", ["batch", 2, 4, 4]);
  const attributes = { kernel_shape: [2, 2], strides: [2, 2] };
  builder.node("MaxPool", ["x"], attributes, { name: "pool", outputs: ["y"] });
  builder.output("y", "float32", ["batch", 2, 2, 2]);
  const { graph, facts } = await inTrainingForm(builder.build());
  const [y, indices] = only(graph, "MaxPool").outputs as [string, string];
  assert.deepEqual(facts.get(indices), { dtype: "int64", dims: facts.get(y)!.dims });
});

Deno.test("LayerNormalization gives out the statistics that its gradient reads", async () => {
  const b = new GraphBuilder("ln");
  const x = wave([2, 3, 4], 0.5);
  b.input("x", "float32", ["batch", 3, 4]);
  b.initializer("scale", wave([4], 2));
  b.output(b.node("LayerNormalization", ["x", "scale"], {}, { outputs: ["y"] }), "float32");
  const { graph, facts } = await inTrainingForm(b.build());
  const [y, mean, inverse] = only(graph, "LayerNormalization").outputs;
  assert.equal(y, "y");
  assert.deepEqual(facts.get(mean!), { dtype: "float32", dims: [{ perSample: 1 }, 3, 1] });
  const values = await runtime().evaluate(observing(graph, [mean!, inverse!]), new Map([["x", x]]));
  assert.deepEqual(values.get(inverse!)!.dims, [2, 3, 1]);
  await checkGradients(graph, { feeds: new Map([["x", x]]), wrt: ["x", "scale"], what: "ln" });
});
