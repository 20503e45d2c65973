import assert from "node:assert/strict";
import { foldConstants, GraphBuilder, tensor, traceFacts } from "../core/onnx/mod.ts";
import { readModel, writeModel } from "../core/onnx/mod.ts";
import type { Graph } from "../core/onnx/mod.ts";
import { Random } from "../core/random.ts";
import { storedStage } from "../core/run/stage_files.ts";
import type { Runtime } from "../core/runtime/mod.ts";
import { LABELS, leaveRows } from "../core/training/mod.ts";
import { MadeUpSource, runInProcess } from "./in_process.ts";
import type { InProcessResult, InProcessRun } from "./in_process.ts";
import { difference, settings, shape } from "./made_up_problem.ts";

const SAMPLES = 11;
const LENGTH = 5;
const WORDS = 90;
const PLACES = 70;
/** No multiple of a vector's four. */
const WIDTH = 7;
/** Stands where a sample has no word any more. */
const PADDING = 89;

/** How the tables of a network are used. */
export interface Kind {
  /** The table of words makes the logits, too. */
  readonly tied?: boolean;
  /** The table of words is looked up a second time. */
  readonly twice?: boolean;
  /** The indices of words are computed. */
  readonly computed?: boolean;
  /** There is a word that the table does not have. */
  readonly beyond?: boolean;
}

/** Words and places, each from a table, added; two layers to a word for each. */
function network({ tied = false, twice = false, computed = false }: Kind): Graph {
  const b = new GraphBuilder("tables");
  const random = new Random(4);
  const drawn = (name: string, dims: readonly number[]) => {
    const size = dims.reduce((product, dim) => product * dim, 1);
    const values = Float32Array.from({ length: size }, () => 0.4 * random.normal());
    return b.initializer(name, tensor("float32", dims, values));
  };
  b.input("words", "int64", ["batch", LENGTH]);
  b.input("places", "int32", ["batch", LENGTH]);
  const table = drawn("words.weight", [WORDS, WIDTH]);
  const indices = computed ? b.node("Neg", [b.node("Neg", ["words"])]) : "words";
  let x = b.node("Gather", [table, indices]);
  x = b.node("Add", [x, b.node("Gather", [drawn("places.weight", [PLACES, WIDTH]), "places"])]);
  x = b.node("Tanh", [b.node("MatMul", [x, drawn("hidden.weight", [WIDTH, WIDTH])])]);
  if (twice) x = b.node("Mul", [x, b.node("Gather", [table, "places"])]);
  const logits = tied
    ? b.node("MatMul", [x, b.node("Transpose", [table], { perm: [1, 0] })])
    : b.node("MatMul", [x, drawn("head.weight", [WIDTH, WORDS])]);
  b.output(b.node("Transpose", [logits], { perm: [0, 2, 1] }, { outputs: ["logits"] }), "float32");
  return b.build();
}

/** One stage that learns made-up words, of which some stand for padding. */
export async function tableRun(runtime: Runtime, kind: Kind = {}): Promise<InProcessRun> {
  const model = network(kind);
  const traced = await traceFacts(model, runtime.evaluate, { batch: 2 });
  const graph = foldConstants(model, traced);
  const facts = await traceFacts(graph, runtime.evaluate, { batch: 2 });
  const random = new Random(2);
  const words = BigInt64Array.from({ length: SAMPLES * LENGTH }, (_, i) => {
    // Every other sample is short; some words count from the end of the table.
    if (i % (2 * LENGTH) > LENGTH + 1) return BigInt(PADDING);
    return BigInt(random.integer(WORDS) - (i % 3 === 0 ? WORDS : 0));
  });
  if (kind.beyond === true) words[3] = BigInt(WORDS);
  const places = Int32Array.from({ length: SAMPLES * LENGTH }, (_, i) => 11 * (i % LENGTH));
  const labels = BigInt64Array.from({ length: SAMPLES * LENGTH }, () => {
    return BigInt(random.integer(WORDS));
  });
  return {
    runtime,
    graph,
    facts,
    source: new MadeUpSource(
      SAMPLES,
      new Map([
        ["words", new Uint8Array(words.buffer)],
        ["places", new Uint8Array(places.buffer)],
        [LABELS, new Uint8Array(labels.buffer)],
      ]),
      5,
    ),
    loss: { type: "cross_entropy", label_smoothing: 0 },
    labels: { dtype: "int64", dims: [{ perSample: 1 }, LENGTH], classes: WORDS },
    settings,
    shape: { ...shape, epochs: 3, samples: SAMPLES, batch_size: 4, validation_samples: 5 },
    cuts: [],
  };
}

/** The graph with its outputs under another name inside, so that no sum of rows shows. */
function hidden(model: Uint8Array): Uint8Array {
  const graph = readModel(model, { file: "hidden.onnx" });
  const made = new Set(graph.nodes.flatMap(({ outputs }) => outputs));
  const names = graph.outputs.map(({ name }) => name).filter((name) => made.has(name));
  const inner = (value: string) => names.includes(value) ? `${value}.inner` : value;
  const nodes = graph.nodes.map((node) => ({
    ...node,
    inputs: node.inputs.map(inner),
    outputs: node.outputs.map(inner),
  }));
  const copies = names.map((name) => ({
    name: `${name}.copy`,
    op: "Identity",
    domain: "",
    inputs: [inner(name)],
    outputs: [name],
    attributes: {},
  }));
  return writeModel({ ...graph, nodes: [...nodes, ...copies] });
}

/** Gradients to which rows are added, over all stages, by how often. */
function rowsLeft({ programs }: InProcessResult, rewrite = (model: Uint8Array) => model): string[] {
  return programs.flatMap((program) => {
    const { manifest, models } = storedStage(program);
    const given = Object.entries(models).map(([name, model]) => [name, rewrite(model)]);
    const { rows } = leaveRows(manifest, Object.fromEntries(given));
    return [...rows.values()].flat().map(({ gradient }) =>
      manifest.parameters.find((parameter) => parameter.gradient === gradient)!.name
    );
  }).sort();
}

/** The tables, as every network here uses them. */
export const BOTH = ["places.weight", "words.weight"];

/**
 * Asserts that a run gives the same with the graphs as they are, and with rows summed up beside
 * them, namely those of the tables `expected`.
 */
export async function compareSums(
  run: InProcessRun,
  what: string,
  expected: readonly string[] = BOTH,
): Promise<InProcessResult> {
  const plain = await runInProcess({ ...run, rewrite: hidden });
  const result = await runInProcess(run);
  assert.deepEqual(rowsLeft(result), expected, what);
  assert.deepEqual(rowsLeft(plain, hidden), [], what);
  const { value, tensor } = difference(plain.tensors, result.tensors);
  assert.ok(value < 1e-6, `${what}: ${tensor} differs by ${value}`);
  result.losses.forEach((loss, i) => {
    const off = Math.abs(loss - plain.losses[i]!);
    assert.ok(off < 1e-6 * Math.max(1, loss), `${what}: loss ${i} differs by ${off}`);
  });
  return result;
}
