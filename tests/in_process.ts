import type { BatchSource } from "../core/run/batch_source.ts";
import { openStage } from "../core/run/open_stage.ts";
import type { OpenStage, OpenStageOptions, StageSettings } from "../core/run/open_stage.ts";
import { packedLinks } from "../core/run/packed_link.ts";
import { storedStage } from "../core/run/stage_files.ts";
import type { StoredStage } from "../core/run/stage_files.ts";
import { neighboursOf } from "../core/run/stage_frames.ts";
import { StageRun } from "../core/run/stage_run.ts";
import type { RunTerms } from "../core/run/run_terms.ts";
import type { Facts, Graph, Tensor } from "../core/onnx/mod.ts";
import { splitsBackward } from "../core/pipeline/mod.ts";
import type { RunShape } from "../core/pipeline/mod.ts";
import type { Runtime } from "../core/runtime/mod.ts";
import { buildPrograms } from "../core/training/mod.ts";
import type { LossConfig, ProgramInput, StageProgram } from "../core/training/mod.ts";
import { memoryLinks } from "../transport/mod.ts";
import type { Link } from "../transport/mod.ts";

/** A training run over stages that all live in this process, linked through memory. */
export interface InProcessRun {
  readonly runtime: Runtime;
  readonly graph: Graph;
  readonly facts: Facts;
  /** Index of the first node of each stage but the first. */
  readonly cuts: readonly number[];
  readonly loss: LossConfig;
  readonly labels?: ProgramInput["labels"];
  readonly recompute?: boolean;
  /** Patterns of parameters that are not trained. */
  readonly freeze?: readonly string[];
  /** Where dropout masks come from; inputs by default. */
  readonly maskAs?: ProgramInput["maskAs"];
  /** Where each stage keeps what it trains; by default as its runtime's device has it. */
  readonly engines?: readonly NonNullable<OpenStageOptions["engine"]>[];
  /** Rewrites the graphs of all stages. */
  readonly rewrite?: (model: Uint8Array) => Uint8Array;
  readonly settings: StageSettings;
  readonly shape: RunShape;
  readonly source: BatchSource;
}

/** What a run leaves. */
export interface InProcessResult {
  /** Loss of each micro-batch. */
  readonly losses: readonly number[];
  /** Mean validation losses, in order. */
  readonly validations: readonly number[];
  /** Weights and running statistics of all stages. */
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly programs: readonly StageProgram[];
}

/** The stages of a graph that is cut before the nodes of index `cuts`. */
export function stagesOf(graph: Graph, cuts: readonly number[]): string[][] {
  const begins = [0, ...cuts];
  return begins.map((begin, i) =>
    graph.nodes.slice(begin, begins[i + 1] ?? graph.nodes.length).map(({ name }) => name)
  );
}

/** Trains to the end. */
export async function runInProcess(o: InProcessRun): Promise<InProcessResult> {
  const stages = stagesOf(o.graph, o.cuts);
  const programs = buildPrograms({
    graph: o.graph,
    facts: o.facts,
    stages,
    recompute: stages.map(() => o.recompute === true),
    splitBackward: splitsBackward({ schedule: o.settings.schedule, stages: stages.length }),
    batch: o.shape.batch_size,
    loss: o.loss,
    ...(o.labels === undefined ? {} : { labels: o.labels }),
    ...(o.freeze === undefined ? {} : { freeze: o.freeze }),
    labelsFrom: "root",
    maskAs: o.maskAs ?? "input",
  });
  const links = linkAll(programs);
  const opened: OpenStage[] = [];
  for (const [stage, program] of programs.entries()) {
    const engine = o.engines?.[stage];
    const options = engine === undefined ? {} : { engine };
    opened.push(
      await openStage(o.runtime, rewritten(storedStage(program), o), o.settings, options),
    );
  }
  const losses: number[] = [];
  const validations: number[] = [];
  let sum = 0;
  const runs = programs.map(({ manifest }, stage) =>
    new StageRun({
      node: `stage ${stage}`,
      manifest,
      ...opened[stage]!,
      settings: o.settings,
      links: packedLinks(links[stage]!, {
        node: `stage ${stage}`,
        manifest,
        compression: o.settings.compression,
      }),
      source: o.source,
      observer: {
        loss: (_place, loss) => losses.push(loss),
        validated: ({ batch }, _slot, samples, loss) => {
          sum = (batch === 0 ? 0 : sum) + loss * samples;
          if (batch === Math.ceil(o.shape.validation_samples / o.shape.batch_size) - 1) {
            validations.push(sum / o.shape.validation_samples);
          }
        },
      },
      signal: new AbortController().signal,
    })
  );
  const terms: RunTerms = {
    run_id: "test",
    settings: o.settings,
    shape: o.shape,
  };
  await Promise.all(runs.map((run, stage) => run.run(stage === 0 ? terms : undefined)));
  await Promise.all(runs.map((run) => run.leave()));
  const tensors = await Promise.all(opened.map((stage) => stage.tensors()));
  for (const stage of opened) await stage[Symbol.asyncDispose]();
  return { losses, validations, tensors: new Map(tensors.flatMap((map) => [...map])), programs };
}

function rewritten(stored: StoredStage, { rewrite }: InProcessRun): StoredStage {
  if (rewrite === undefined) return stored;
  const models = Object.entries(stored.models).map(([name, model]) => [name, rewrite(model)]);
  return { ...stored, models: Object.fromEntries(models) };
}

function linkAll(programs: readonly StageProgram[]): Map<number, Link>[] {
  const links = programs.map(() => new Map<number, Link>());
  programs.forEach(({ manifest }, stage) => {
    for (const other of neighboursOf(manifest).consumers) {
      const identity = (i: number) => ({ nodeId: `stage_${i}`, address: `memory:${i + 1}` });
      const [here, there] = memoryLinks(identity(stage), identity(other));
      links[stage]!.set(other, here);
      links[other]!.set(stage, there);
    }
  });
  return links;
}

/** Made-up samples: `values` maps a model input (or the labels) to the bytes of one sample each. */
export class MadeUpSource implements BatchSource {
  readonly samples: number;
  readonly validationSamples: number;
  readonly #values: ReadonlyMap<string, Uint8Array>;

  constructor(samples: number, values: ReadonlyMap<string, Uint8Array>, validationSamples = 0) {
    this.samples = samples;
    this.#values = values;
    this.validationSamples = validationSamples;
  }

  fill(
    value: string,
    { start, samples }: { readonly start: number; readonly samples: number },
    target: Uint8Array,
  ): void {
    const all = this.#values.get(value)!;
    const size = all.length / this.samples;
    target.set(all.subarray(start * size, (start + samples) * size));
  }

  fillValidation(value: string, start: number, samples: number, target: Uint8Array): void {
    this.fill(value, { start, samples }, target);
  }
}
