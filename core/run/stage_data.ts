import type { Place } from "../pipeline/mod.ts";
import type { Port, StageEngine, StageManifest } from "../training/mod.ts";
import type { BatchSource } from "./batch_source.ts";
import { CountedShares } from "./counted_shares.ts";

/** Reads what a stage does not receive from another one into the memory of its executor. */
export class StageData {
  readonly #source: BatchSource;
  readonly #executor: StageEngine;
  /** What this stage reads from its data, the root also for others. */
  readonly #ports: readonly Port[];
  readonly #shares: CountedShares;

  /** @param batchSize samples of a full batch */
  constructor(
    source: BatchSource,
    executor: StageEngine,
    { inputs, relays }: StageManifest,
    batchSize: number,
  ) {
    this.#source = source;
    this.#executor = executor;
    this.#ports = [...inputs.filter(({ from }) => from === "data"), ...relays];
    this.#shares = new CountedShares(source, this.#ports, batchSize);
  }

  /** Reads micro-batch `m`. */
  async fill(m: number, place: Place): Promise<void> {
    const source = this.#source;
    const begun = this.#shares.begin(place);
    if (begun !== undefined) await begun;
    const ready = source.ready?.(place);
    if (ready !== undefined) await ready;
    for (const { value } of this.#ports) {
      const target = this.#executor.input(m, value, place.samples);
      if (this.#shares.has(value)) this.#shares.fill(value, place, target);
      else source.fill(value, place, target);
    }
  }

  /** Reads a validation batch into slot `slot`. */
  async fillValidation(slot: number, start: number, samples: number): Promise<void> {
    const source = this.#source;
    const begun = this.#shares.beginValidation();
    if (begun !== undefined) await begun;
    const ready = source.readyValidation?.(start, samples);
    if (ready !== undefined) await ready;
    for (const { value } of this.#ports) {
      const target = this.#executor.validationInput(slot, value, samples);
      if (this.#shares.has(value)) this.#shares.fillValidation(value, { start, samples }, target);
      else source.fillValidation(value, start, samples, target);
    }
  }
}
