import { Random } from "../core/random.ts";
import { foldConstants, traceFacts } from "../core/onnx/mod.ts";
import type { Extent, Graph } from "../core/onnx/mod.ts";
import type { Runtime } from "../core/runtime/mod.ts";
import { openStage } from "../core/run/open_stage.ts";
import type { OpenStage } from "../core/run/open_stage.ts";
import { timeFormulations } from "../core/run/formulation_times.ts";
import { storedStage } from "../core/run/stage_files.ts";
import { buildPrograms, LABELS } from "../core/training/mod.ts";
import {
  bert,
  BERT_SIZES,
  digitsCnn,
  gpt,
  lenet,
  mlp,
  mobilenetV2,
  resnet18,
} from "../models/mod.ts";

/** A network whose training step is measured, and what it is fed with. */
export interface StepProblem {
  readonly build: (options: { seed: number }) => Graph;
  readonly batch: number;
  readonly classes: number;
  /** Integer inputs are drawn below this; by input name. Others are uniform from 0 to 1. */
  readonly below?: Readonly<Record<string, number>>;
  /** Shape of a sample's class indices; a scalar if absent. */
  readonly labels?: readonly number[];
  /** Rows for mean squared error; else class indices for cross-entropy. */
  readonly oneHot?: boolean;
  /** The output that the loss is computed from, where there are several. */
  readonly output?: string;
  /** Steps in one measurement. */
  readonly repeats: number;
}

/** Samples with which shapes are found. */
const TRACED = 2;

const TOKENS = 128;
const GPT_VOCABULARY = 8192;
const BERT_VOCABULARY = 30522;

/** The networks by name. */
export const STEP_PROBLEMS: Readonly<Record<string, StepProblem>> = {
  digits_cnn: { build: digitsCnn, batch: 64, classes: 10, oneHot: true, repeats: 20 },
  mlp: { build: mlp, batch: 128, classes: 10, repeats: 20 },
  lenet: { build: lenet, batch: 128, classes: 10, repeats: 20 },
  resnet18: {
    build: ({ seed }) => resnet18({ seed, size: 64, classes: 200 }),
    batch: 16,
    classes: 200,
    repeats: 2,
  },
  mobilenet_v2: {
    build: ({ seed }) => mobilenetV2({ seed, size: 96, classes: 1000, dropout: 0 }),
    batch: 16,
    classes: 1000,
    repeats: 2,
  },
  gpt: {
    build: ({ seed }) =>
      gpt({
        seed,
        layers: 4,
        heads: 4,
        width: 256,
        vocabulary: GPT_VOCABULARY,
        block: TOKENS,
        dropout: 0,
      }),
    batch: 8,
    classes: GPT_VOCABULARY,
    below: { input: GPT_VOCABULARY },
    labels: [TOKENS],
    repeats: 2,
  },
  bert_tiny: {
    build: ({ seed }) =>
      bert({
        seed,
        ...BERT_SIZES.tiny,
        vocabulary: BERT_VOCABULARY,
        sequence: TOKENS,
        dropout: 0,
      }),
    batch: 8,
    classes: BERT_VOCABULARY,
    below: { input_ids: BERT_VOCABULARY, token_type_ids: 2 },
    labels: [TOKENS],
    output: "prediction_logits",
    repeats: 2,
  },
};

/** A network that is ready to take training steps on a batch in slot 0. */
export async function openProblem(runtime: Runtime, problem: StepProblem): Promise<OpenStage> {
  const { build, batch, classes, oneHot, labels = [], output } = problem;
  const model = build({ seed: 1 });
  const traced = await traceFacts(model, runtime.evaluate, { batch: TRACED });
  const graph = foldConstants(model, traced);
  const facts = await traceFacts(graph, runtime.evaluate, { batch: TRACED });
  const { choose } = await timeFormulations({ runtime, graph, facts, batch });
  const perSample: Extent = { perSample: 1 };
  const [program] = buildPrograms({
    graph,
    facts,
    stages: [graph.nodes.map(({ name }) => name)],
    recompute: [false],
    batch,
    loss: oneHot ? { type: "mse" } : {
      type: "sum",
      terms: [{ loss: { type: "cross_entropy", label_smoothing: 0 }, output, weight: 1 }],
    },
    labels: oneHot
      ? { dtype: "float32", dims: [perSample, classes] }
      : { dtype: "int64", dims: [perSample, ...labels], classes },
    labelsFrom: "root",
    maskAs: "input",
    threads: runtime.threads,
    choose,
  });
  const stage = await openStage(runtime, storedStage(program!), {
    schedule: "async",
    inFlight: 1,
    microBatches: 1,
    updateFrequency: 1,
    optimizer: { type: "adam", lr: 1e-3, betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0 },
    learningRate: { type: "constant" },
    seed: 1,
  });
  fill(stage, graph, problem);
  return stage;
}

function fill({ executor }: OpenStage, graph: Graph, problem: StepProblem): void {
  const { batch, classes, below = {}, oneHot } = problem;
  const random = new Random(1);
  for (const { name, dtype } of graph.inputs) {
    const bytes = executor.input(0, name, batch);
    if (dtype === "float32") {
      const x = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
      for (let i = 0; i < x.length; i++) x[i] = random.uniform();
    } else {
      // Without a bound it is a mask that hides nothing.
      drawIntegers(bytes, () => below[name] === undefined ? 1 : random.integer(below[name]));
    }
  }
  const given = executor.input(0, LABELS, batch);
  if (oneHot) {
    const rows = new Float32Array(given.buffer, given.byteOffset, batch * classes);
    for (let i = 0; i < batch; i++) rows[i * classes + random.integer(classes)] = 1;
  } else {
    drawIntegers(given, () => random.integer(classes));
  }
}

function drawIntegers(bytes: Uint8Array, draw: () => number): void {
  const view = new BigInt64Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 8);
  for (let i = 0; i < view.length; i++) view[i] = BigInt(draw());
}

/** Takes training steps; the number of the step changes the dropout masks. */
export function stepper({ executor, weights }: OpenStage, batch: number): () => Promise<void> {
  let update = 0;
  return async () => {
    await executor.step(update, batch, 0, { scale: 1, first: true });
    await weights.update(0, 0, { rate: 1e-3, update: update++ });
  };
}
