import type { Schedule } from "../pipeline/mod.ts";
import type { Link } from "../../transport/mod.ts";
import { reduceDelayOf } from "./averaging_schema.ts";
import type { AveragingOptions } from "./averaging.ts";
import type { BatchSource } from "./batch_source.ts";
import { microBatchesOf } from "./config.ts";
import type { Config } from "./config.ts";
import { LeafReport } from "./leaf_report.ts";
import { MetricsFiles } from "./metrics_files.ts";
import type { OpenStage, StageSettings } from "./open_stage.ts";
import { packedLinks } from "./packed_link.ts";
import type { RecordedHost } from "./recorded_host.ts";
import type { AveragingTerms, RunTerms } from "./run_terms.ts";
import type { RunTrace } from "./run_trace.ts";
import type { StoredStage } from "./stage_files.ts";
import { StageRun } from "./stage_run.ts";
import type { StageObserver } from "./stage_observer.ts";
import { tracedLinks } from "./traced_link.ts";

/** How far a stage has come. */
export interface StageProgress {
  /** Empty before the run has begun. */
  run_id: string;
  updates: number;
}

/** A stage that is to be trained, with everything around it. */
export interface StageTraining {
  /** Name of the node. */
  readonly node: string;
  readonly stored: StoredStage;
  readonly stage: OpenStage;
  readonly settings: StageSettings;
  /** Links to all stages it exchanges tensors with; none where it is the only one. */
  readonly links: ReadonlyMap<number, Link>;
  /** How and with whom it averages, where there are other clusters. */
  readonly averaging?: Pick<AveragingOptions, "layout" | "links"> | undefined;
  readonly source: BatchSource | undefined;
  /** On the root: what the run consists of. */
  readonly terms: RunTerms | undefined;
  /** Folder for the metrics. */
  readonly metrics: string;
  readonly host: RecordedHost;
  /** Where to write down what the stage does, if anywhere. */
  readonly trace?: RunTrace | undefined;
  /** Saves the stage, once it has made all updates. */
  readonly save: (progress: StageProgress) => Promise<void>;
  /** Called when the run breaks off, with what there is by then. */
  readonly broken: (progress: StageProgress) => Promise<void>;
}

/** The settings of a stage, as `ravn.yaml` has them. */
export function settingsOf(
  config: Config,
  plan: { readonly schedule: Schedule; readonly inFlight: number },
): StageSettings {
  return {
    ...plan,
    microBatches: microBatchesOf(config),
    updateFrequency: config.update_frequency,
    optimizer: config.optimizer,
    clip: config.clip,
    learningRate: config.lr_schedule,
    seed: config.seed,
    outer: config.outer,
    averageOptimizer: config.average_optimizer,
    compression: config.compression,
    shuffle: config.data.shuffle,
  };
}

/** The terms that the root tells: a run over `source` by the configuration. */
export function termsOf(
  config: Config,
  settings: StageSettings,
  o: {
    readonly source: BatchSource;
    readonly batchSize: number;
    /** Where there are other clusters that average: what all of them agree on. */
    readonly averaging?: AveragingTerms | undefined;
  },
): RunTerms {
  const reduce_delay = reduceDelayOf(config);
  const every = config.reduce_every === "epoch" ? 0 : config.reduce_every;
  return {
    ...(o.averaging === undefined ? {} : { averaging: o.averaging }),
    run_id: crypto.randomUUID(),
    settings,
    shape: {
      epochs: config.epochs,
      ...(config.max_updates === undefined ? {} : { max_updates: config.max_updates }),
      samples: o.source.samples,
      batch_size: o.batchSize,
      micro_batches: settings.microBatches,
      update_frequency: config.update_frequency,
      validation_samples: o.source.validationSamples,
      validation_every: config.val_freq === "epoch" ? 0 : config.val_freq,
      ...(o.averaging === undefined || every === "never"
        ? {}
        : { reduce_every: every, reduce_delay }),
    },
  };
}

/** Trains a stage to the end, saves it, and takes leave of its peers. */
export async function trainStage(o: StageTraining): Promise<void> {
  const { manifest } = o.stored;
  const { executor, weights, versions, rate } = o.stage;
  const { head } = manifest;
  await using files = await MetricsFiles.create(o.metrics, head ? undefined : ["events"]);
  o.host.keepIn(files);
  const report = head && new LeafReport({
    node: o.node,
    head,
    executor,
    files,
    emit: o.host.emit,
    now_ms: () => performance.now(),
  });
  const progress: StageProgress = { run_id: "", updates: 0 };
  const { averaging } = o;
  const links = packedLinks(tracedLinks(o.links, o.trace), {
    node: o.node,
    manifest,
    compression: o.settings.compression,
  });
  const run = new StageRun({
    node: o.node,
    manifest,
    executor,
    weights,
    versions,
    rate,
    settings: o.settings,
    links,
    ...(averaging === undefined ? {} : {
      averaging: {
        ...averaging,
        links: tracedLinks(averaging.links, o.trace),
        initial: o.stored.tensors,
      },
    }),
    ...(o.source === undefined ? {} : { source: o.source }),
    observer: observe(o, report, progress),
    signal: o.host.signal,
  });
  try {
    await run.run(o.terms);
    await o.save(progress);
    await run.leave();
    report?.ended();
    const sent = [...links.values()].flatMap((link) => link.sent);
    if (sent.length > 0) o.host.emit({ event: "traffic", links: sent });
  } catch (thrown) {
    if (progress.updates > 0) await o.broken(progress);
    throw thrown;
  }
}

/** Counts updates and tells of lost peers, beside what the last stage reports. */
function observe(
  { node, host, trace }: StageTraining,
  report: LeafReport | undefined,
  progress: StageProgress,
): StageObserver {
  return {
    begun(calendar, terms) {
      progress.run_id = terms.run_id;
      trace?.begun(terms.run_id);
      report?.begun(calendar);
    },
    loss: (place, loss) => report?.loss(place, loss),
    updated(update, rate) {
      progress.updates = update + 1;
      report?.updated(update, rate);
    },
    validated: (step, slot, samples, loss) => report?.validated(step, slot, samples, loss),
    averaged(average) {
      if (report !== undefined) report.averaged(average);
      else host.emit({ event: "average", node, ...average });
    },
    lost({ nodeId, address }, expected) {
      host.emit({ event: "lost", node, peer: nodeId, address, expected });
    },
    ...(trace && { ran: (work, begin, end) => trace.ran(work, begin, end) }),
  };
}
