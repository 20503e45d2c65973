/** One batch for each of the large networks, and what to train them with. */
import { foldConstants, int64s, tensor, traceFacts } from "../core/onnx/mod.ts";
import type { Graph, Tensor } from "../core/onnx/mod.ts";
import { modelState } from "../core/planning/mod.ts";
import type { Runtime } from "../core/runtime/mod.ts";
import { LABELS, withSharedParameters } from "../core/training/mod.ts";
import type { LabelForm, LossConfig, OptimizerConfig } from "../core/training/mod.ts";
import { MadeUpSource } from "./in_process.ts";
import type { InProcessRun } from "./in_process.ts";
import { floats, integers } from "./models_values.ts";

/** A network and one batch of data. */
export interface ModelProblem {
  readonly graph: Graph;
  readonly batch: number;
  readonly inputs: ReadonlyMap<string, Tensor>;
  /** Labels of each loss, and their forms. */
  readonly labels: readonly Tensor[];
  readonly forms: readonly LabelForm[];
  readonly loss: LossConfig;
}

/** Label that does not count. */
const IGNORED = -100;

const CLASS_LOSS = { type: "cross_entropy", label_smoothing: 0 } as const;
const TOKEN_LOSS = { ...CLASS_LOSS, ignore_index: IGNORED } as const;

/** Images by class. */
export function classes(
  graph: Graph,
  { batch, size, count }: {
    readonly batch: number;
    readonly size: number;
    readonly count: number;
  },
): ModelProblem {
  return {
    graph,
    batch,
    inputs: new Map([["input", floats("input", [batch, 3, size, size])]]),
    labels: [int64s(integers("labels", [batch], count))],
    forms: [{ dtype: "int64", dims: [{ perSample: 1 }], classes: count }],
    loss: CLASS_LOSS,
  };
}

/** Tokens by the one at each place; those before `from` do not count. */
export function sorting(graph: Graph, batch: number, sequence: number, from: number): ModelProblem {
  const dims = [batch, sequence];
  const labels = integers("labels", dims, 3).map((label, i) =>
    i % sequence < from ? IGNORED : label
  );
  return {
    graph,
    batch,
    inputs: new Map([["input", tensor("int64", dims, integers("input", dims, 3))]]),
    labels: [tensor("int64", dims, labels)],
    forms: [tokenForm(sequence, 3)],
    loss: TOKEN_LOSS,
  };
}

/**
 * Texts in which a quarter of the tokens is to be found, and the order of two sentences. Each is
 * shorter than the one before.
 */
export function masked(
  graph: Graph,
  batch: number,
  sequence: number,
  vocabulary: number,
): ModelProblem {
  const dims = [batch, sequence];
  const hidden = integers("masked", dims, 4);
  const labels = integers("labels", dims, vocabulary)
    .map((label, i) => hidden[i]! > 0 ? IGNORED : label);
  const seen = hidden.map((_, i) => i % sequence < sequence - Math.floor(i / sequence) ? 1 : 0);
  const values = {
    input_ids: integers("input_ids", dims, vocabulary),
    token_type_ids: integers("token_type_ids", dims, 2),
    attention_mask: seen,
  };
  return {
    graph,
    batch,
    inputs: new Map(
      Object.entries(values).map(([name, list]) => [name, tensor("int64", dims, list)]),
    ),
    labels: [
      tensor("int64", dims, labels),
      int64s(integers("next_sentence_label", [batch], 2)),
    ],
    forms: [
      tokenForm(sequence, vocabulary),
      { dtype: "int64", dims: [{ perSample: 1 }], classes: 2 },
    ],
    loss: {
      type: "sum",
      terms: [
        { loss: TOKEN_LOSS, output: "prediction_logits", weight: 1 },
        { loss: CLASS_LOSS, output: "seq_relationship_logits", weight: 1 },
      ],
    },
  };
}

function tokenForm(sequence: number, vocabulary: number): LabelForm {
  return { dtype: "int64", dims: [{ perSample: 1 }, sequence], classes: vocabulary };
}

/** A run in this process that trains on the batch `updates` times. */
export async function runOf(
  runtime: Runtime,
  problem: ModelProblem,
  o: {
    readonly optimizer: OptimizerConfig;
    readonly updates: number;
    readonly microBatches?: number;
  },
): Promise<InProcessRun> {
  const { batch, loss, forms, labels } = problem;
  const traced = await traceFacts(problem.graph, runtime.evaluate, { batch });
  const folded = foldConstants(problem.graph, traced);
  const { trainable } = modelState(folded);
  const facts = await traceFacts(folded, runtime.evaluate, { batch });
  const portOf = (i: number) => labels.length === 1 ? LABELS : `${LABELS}.${i}`;
  const values = [
    ...problem.inputs,
    ...labels.map((label, i): [string, Tensor] => [portOf(i), label]),
  ];
  const source = new MadeUpSource(batch, new Map(values.map(([name, { bytes }]) => [name, bytes])));
  const microBatches = o.microBatches ?? 1;
  return {
    runtime,
    ...withSharedParameters(folded, facts, trainable),
    cuts: [],
    loss,
    labels: forms,
    source,
    settings: {
      schedule: "1f1b",
      inFlight: microBatches,
      microBatches,
      updateFrequency: 1,
      optimizer: o.optimizer,
      learningRate: { type: "constant" },
      seed: 1,
    },
    shape: {
      epochs: o.updates,
      samples: batch,
      batch_size: batch,
      micro_batches: microBatches,
      update_frequency: 1,
      validation_samples: 0,
      validation_every: 0,
    },
  };
}
