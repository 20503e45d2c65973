import { piecesOf } from "../collective/mod.ts";
import { codecOf } from "../compression/mod.ts";
import { elementCount } from "../onnx/mod.ts";
import type { Tensor } from "../onnx/mod.ts";
import { add, blend, codecKernels } from "../runtime/mod.ts";
import { optimizerSlots } from "../training/mod.ts";
import type { StageEngine, StageManifest, StageWeights } from "../training/mod.ts";
import type { Closed, Link } from "../../transport/mod.ts";
import { bytesOf, PieceExchange } from "./averaging_exchange.ts";
import {
  averagedTensors,
  holdingsOf,
  partnerNodes,
  placeOf,
  stateName,
  withState,
} from "./averaging_layout.ts";
import type { AveragingLayout } from "./averaging_layout.ts";
import { OuterMean, PLAIN_MEAN } from "./averaging_mean.ts";
import type { MeanRule } from "./averaging_mean.ts";
import { AveragingPartners } from "./averaging_partners.ts";
import type { Partner } from "./averaging_partners.ts";
import type { StageSettings } from "./open_stage.ts";
import { averagingTerms } from "./run_terms.ts";
import type { RunTerms } from "./run_terms.ts";

/** One average, as a stage has seen it. Bytes are those of the sums that it sent, without heads. */
export interface AverageReport {
  /** The update after which it was begun, from 1. */
  readonly update: number;
  /** From its beginning until the stage had all of it. */
  readonly ms: number;
  /** For so long of it the stage could do nothing else. */
  readonly waited_ms: number;
  readonly bytes_sent: number;
  /** What they would be in float32. */
  readonly bytes_raw: number;
}

/** What the averaging tells its stage. */
export interface AveragingHandlers {
  /** Something arrived, or was sent. */
  changed(): void;
  /** The link to a partner is closed, and not by a goodbye. */
  closed(partner: Partner, closed: Closed): void;
  failed(error: Error): void;
}

/** Everything `Averaging` needs of its stage. */
export interface AveragingOptions {
  /** Name of this node. */
  readonly node: string;
  readonly layout: AveragingLayout;
  readonly manifest: StageManifest;
  readonly settings: Pick<
    StageSettings,
    "optimizer" | "outer" | "averageOptimizer" | "compression"
  >;
  /** The values with which all clusters begin, by name. */
  readonly initial: ReadonlyMap<string, Tensor>;
  readonly executor: Pick<StageEngine, "statistics" | "replaceStatistics">;
  readonly weights: Pick<StageWeights, "views" | "replace" | "state" | "replaceState">;
  /** Links to the partners, by the names of their nodes. */
  readonly links: ReadonlyMap<string, Link>;
  readonly handlers: AveragingHandlers;
  readonly observer?: { averaged?(report: AverageReport): void };
}

const NONE = { type: "none" } as const;

/** A round that is not over. Times in ms of `performance.now()`. */
interface Round {
  readonly update: number;
  readonly cutShort: boolean;
  readonly begun_ms: number;
  readonly before: { readonly sent: number; readonly raw: number };
  waiting_ms?: number;
  complete_ms?: number;
}

/**
 * One node's part in averaging the clusters: lays its values into memory of their own, lets the
 * pieces go around, and gives what comes of them back to the stage.
 */
export class Averaging {
  readonly #o: AveragingOptions;
  /** The optimizer's state that is averaged too. */
  readonly #slots: readonly string[];
  readonly #clusters: number;
  readonly #partners: AveragingPartners;
  readonly #exchange: PieceExchange;
  /** Where each tensor begins and ends in this node's arrays. */
  readonly #places: ReadonlyMap<string, readonly [begin: number, end: number]>;
  readonly #rule: MeanRule;
  /** What this node had when the round began, where it moves on before the mean is there. */
  readonly #begun: Float32Array;
  #movesOn = false;
  #weight: number;
  #round: Round | undefined;
  /** The update after which a round was begun last. */
  #averaged = 0;
  /** The most updates between two rounds; where they follow epochs that may differ by one. */
  #longest = 0;

  constructor(options: AveragingOptions) {
    const { node, manifest, settings, links, handlers } = options;
    this.#o = options;
    const { outer = NONE, compression: { averaging: compression } = { averaging: NONE } } =
      settings;
    const parameters = manifest.parameters.map(({ name }) => name);
    const slots = settings.averageOptimizer === true ? optimizerSlots(settings.optimizer) : [];
    this.#slots = slots;
    const layout = withState(options.layout, parameters, slots);
    this.#clusters = layout.clusters.length;
    this.#weight = 1 / this.#clusters;
    const partners = partnerNodes(options.layout, node)
      .map(({ cluster, stage, name, address }) => {
        const link = links.get(name);
        if (link === undefined) throw new Error(`no link to ${name}`);
        return { cluster, stage, link, name: `${name} at ${address}` };
      });
    this.#partners = new AveragingPartners(node, partners, {
      place: (partner, head) => this.#exchange.place(partner, head),
      arrived: (partner, head) => this.#exchange.arrived(partner, head),
      left: () => handlers.changed(),
      closed: handlers.closed,
      failed: handlers.failed,
    });
    const moves = outer.type !== "none" || compression.type !== "none";
    this.#exchange = new PieceExchange({
      pieces: piecesOf(holdingsOf(layout)),
      self: placeOf(layout, node),
      partners,
      arrays: moves ? 3 : 1,
      codec: codecOf(compression, codecKernels),
      feedback: compression.type !== "none" && compression.feedback,
      changed: () => this.#changed(),
      unsent: (partner, error) => this.#partners.unsent(partner, error),
    });
    const { memory, arrays: [begun, common, velocity] } = this.#exchange;
    this.#begun = begun!;
    this.#places = new Map(
      averaged(manifest, slots).map(([name, size]) => {
        const first = layout.tensors[name]!;
        return [name, memory.place(first, first + size)];
      }),
    );
    if (moves) {
      this.#lay(bytesOfAll(options.initial).filter(([name]) => this.#places.has(name)), common!);
    }
    this.#rule = moves ? new OuterMean(outer, memory, common!, velocity!) : PLAIN_MEAN;
  }

  /** All nodes of other clusters with which this one has a link. */
  get partners(): readonly Partner[] {
    return this.#partners.all;
  }

  /** Begins to take in messages. */
  open(): void {
    this.#partners.open();
  }

  /** Begins to take in what has come while the stage computed. */
  look(): void {
    this.#partners.look();
  }

  /** The run begins: compares with the partners what they train by. */
  begin(terms: RunTerms): void {
    this.#movesOn = (terms.shape.reduce_delay ?? 0) > 0;
    this.#weight = terms.averaging?.weight ?? 1 / this.#clusters;
    this.#partners.begin(averagingTerms(terms));
  }

  /**
   * Begins a round with the weights in buffer `buffer`, which `update` updates have made, and the
   * newest running statistics.
   */
  async contribute(buffer: number, update: number): Promise<void> {
    const { sums, bytes } = this.#exchange;
    const updates = update - this.#averaged;
    const cutShort = updates < this.#longest - 1;
    this.#averaged = update;
    this.#longest = Math.max(this.#longest, updates);
    this.#round = { update, cutShort, begun_ms: performance.now(), before: bytes };
    await this.#gather(buffer);
    if (this.#movesOn) this.#begun.set(sums);
    this.#rule.share(sums, this.#weight);
    this.#exchange.contribute();
    this.#changed();
  }

  /** Lays the stage's values into the exchange's memory. */
  async #gather(buffer: number): Promise<void> {
    const { weights, executor } = this.#o;
    const { sums } = this.#exchange;
    this.#lay(await weights.views(buffer), sums);
    this.#lay(bytesOfAll(await executor.statistics()), sums);
    if (this.#slots.length === 0) return;
    for (const [i, state] of (await weights.state()).entries()) {
      this.#lay(bytesOfAll(state, (name) => stateName(this.#slots[i]!, name)), sums);
    }
  }

  /** Values by name into an array of the exchange; what is not among them stays. */
  #lay(values: Iterable<readonly [name: string, bytes: Uint8Array]>, array: Float32Array): void {
    for (const [name, bytes] of values) {
      const [begin, end] = this.#places.get(name)!;
      bytesOf(array.subarray(begin, end)).set(bytes);
    }
  }

  /** Whether this node has the whole mean, and nothing left to send of it. */
  get ready(): boolean {
    return this.#exchange.ready;
  }

  /**
   * Whether the mean, which is due now, can be taken over. From the first time on that it cannot,
   * the stage waits for it.
   */
  mayAdopt(): boolean {
    if (this.ready) return true;
    if (this.#round !== undefined) this.#round.waiting_ms ??= performance.now();
    return false;
  }

  /** Gives the mean to the stage, as the weights in buffer `buffer`. */
  async adopt(buffer: number): Promise<void> {
    await this.#give(this.#take(), buffer);
    this.#report();
  }

  /**
   * Corrects the weights in buffer `buffer`, which have moved on since the round began, by what the
   * mean differs from what they were then: w ← w + (mean − w₀).
   */
  async correct(buffer: number): Promise<void> {
    const { sums } = this.#exchange;
    blend(this.#begun, this.#take(), -1, 1);
    await this.#gather(buffer);
    add(sums, this.#begun);
    await this.#give(sums, buffer);
    this.#report();
  }

  #take(): Float32Array {
    return this.#rule.take(this.#exchange.sums, this.#round!.cutShort);
  }

  async #give(array: Float32Array, buffer: number): Promise<void> {
    const { weights, executor, manifest } = this.#o;
    const values = new Map(
      [...this.#places].map(([name, [begin, end]]) => [name, array.subarray(begin, end)]),
    );
    await weights.replace(buffer, values);
    await executor.replaceStatistics(
      new Map(manifest.statistics.map(({ running }) => [running, values.get(running)!])),
    );
    for (const [i, slot] of this.#slots.entries()) {
      const state = manifest.parameters.map(({ name }) => {
        return [name, values.get(stateName(slot, name))!] as const;
      });
      await weights.replaceState(i, new Map(state));
    }
  }

  #changed(): void {
    if (this.#round !== undefined && this.ready) this.#round.complete_ms ??= performance.now();
    this.#o.handlers.changed();
  }

  #report(): void {
    const { update, begun_ms, waiting_ms, complete_ms = begun_ms, before } = this.#round!;
    this.#round = undefined;
    const { sent, raw } = this.#exchange.bytes;
    this.#o.observer?.averaged?.({
      update,
      ms: complete_ms - begun_ms,
      waited_ms: waiting_ms === undefined ? 0 : complete_ms - waiting_ms,
      bytes_sent: sent - before.sent,
      bytes_raw: raw - before.raw,
    });
  }

  /** What this node waits for, in words. */
  get expected(): string {
    const names = this.#awaited().map(({ name }) => name);
    return `the average of the weights${names.length > 0 ? ` from ${names.join(" and ")}` : ""}`;
  }

  /** A partner that has said goodbye, and owes this node something. */
  get missing(): string | undefined {
    return this.#awaited().find((partner) => this.#partners.hasLeft(partner))?.name;
  }

  /** Tells all partners that the run has failed, and why. */
  async fail(message: string): Promise<void> {
    await this.#partners.fail(message);
  }

  /** Says goodbye. */
  async close(): Promise<void> {
    await this.#partners.close();
  }

  #awaited(): Partner[] {
    const holders = this.#exchange.awaited;
    return this.#partners.all.filter(({ cluster, stage }) =>
      holders.some((holder) => holder.cluster === cluster && holder.stage === stage)
    );
  }
}

/** The bytes of tensors, under their names or others. */
function bytesOfAll(
  tensors: ReadonlyMap<string, Tensor>,
  rename: (name: string) => string = (name) => name,
): [name: string, bytes: Uint8Array][] {
  return [...tensors].map(([name, { bytes }]) => [rename(name), bytes]);
}

/** Everything of a stage that is averaged, with the number of its elements. */
function averaged(manifest: StageManifest, slots: readonly string[]): [string, number][] {
  const states = slots.flatMap((slot) =>
    manifest.parameters.map(({ name, dims }): [string, number] => [
      stateName(slot, name),
      elementCount(dims),
    ])
  );
  return [...averagedTensors(manifest), ...states];
}
