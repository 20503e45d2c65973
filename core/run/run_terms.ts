import { RavnError } from "../error.ts";
import type { RunShape } from "../pipeline/mod.ts";
import type { BatchSource } from "./batch_source.ts";
import type { StageSettings } from "./open_stage.ts";

/** What every stage must agree on before the first batch; the root tells it. */
export interface RunTerms {
  readonly run_id: string;
  readonly settings: StageSettings;
  readonly shape: RunShape;
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
