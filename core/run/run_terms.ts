import { RavnError } from "../error.ts";
import type { RunShape } from "../pipeline/mod.ts";
import type { BatchSource } from "./batch_source.ts";
import type { StageSettings } from "./open_stage.ts";
import type { Shard } from "./sharded_source.ts";

/** What every stage must agree on before the first batch; the root tells it. */
export interface RunTerms {
  readonly run_id: string;
  readonly settings: StageSettings;
  readonly shape: RunShape;
  /** How the clusters average, where they do. */
  readonly averaging?: AveragingTerms;
}

/** What the clusters must agree on beside the settings, and this one's share in the mean. */
export interface AveragingTerms {
  /** Training samples of all clusters. */
  readonly samples: number;
  readonly shard: Shard;
  /** Samples that this cluster sees over those that all see. */
  readonly weight: number;
}

/** What all clusters must train by alike, as a text to compare. */
export function averagingTerms({ settings, shape, averaging }: RunTerms): string {
  const told = Object.fromEntries(
    Object.entries(settings).map(([name, value]) => [KEYS[name as keyof StageSettings], value]),
  );
  const { samples: _, ...rest } = shape;
  // A cluster has as many micro-batches under way as suits its number of stages.
  const common = { ...told, ...rest, in_flight: undefined };
  return JSON.stringify({
    ...common,
    "training samples": averaging?.samples,
    "data.shard": averaging?.shard,
  });
}

/** Settings by the keys that users know them by. */
const KEYS: Readonly<Record<keyof StageSettings, string>> = {
  schedule: "schedule",
  inFlight: "in_flight",
  microBatches: "micro_batches",
  updateFrequency: "update_frequency",
  optimizer: "optimizer",
  clip: "clip",
  learningRate: "lr_schedule",
  seed: "seed",
  outer: "outer",
  averageOptimizer: "average_optimizer",
  compression: "compression",
  shuffle: "data.shuffle",
};

/** What a stage goes by itself, to be compared with what the root tells. */
export interface OwnTerms {
  /** Name of the node, for the message. */
  readonly node: string;
  readonly settings: StageSettings;
  /** Data that the stage reads itself. */
  readonly source?: BatchSource | undefined;
}

/**
 * Compares what the root tells with what a stage goes by.
 *
 * @throws {RavnError} naming the first difference
 */
export function checkTerms({ settings, shape }: RunTerms, own: OwnTerms): void {
  for (const name of Object.keys(KEYS) as (keyof StageSettings)[]) {
    const [told, here] = [JSON.stringify(settings[name]), JSON.stringify(own.settings[name])];
    if (told === here) continue;
    throw new RavnError(
      `the root trains with ${KEYS[name]} ${told}, ${own.node} has ${here}; ` +
        `use one ravn.yaml and the same options on all nodes`,
    );
  }
  if (own.source === undefined) return;
  const { samples, validationSamples } = own.source;
  if (samples === shape.samples && validationSamples === shape.validation_samples) return;
  throw new RavnError(
    `the root has ${shape.samples} training and ${shape.validation_samples} validation samples, ` +
      `${own.node} has ${samples} and ${validationSamples}; use the same data on all nodes`,
  );
}
