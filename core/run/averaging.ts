import { AllReduce, partnersOf, piecesOf } from "../collective/mod.ts";
import type { Holder, Piece, ReduceAction } from "../collective/mod.ts";
import { RavnError } from "../error.ts";
import { add, Arena, blend, floatsOf, paddedSize, scale } from "../runtime/mod.ts";
import type { StageEngine, StageManifest, StageWeights } from "../training/mod.ts";
import type { Closed, Control, Link, TensorHead, TensorInfo } from "../../transport/mod.ts";
import { averagedTensors } from "./averaging_layout.ts";
import type { AveragingLayout } from "./averaging_layout.ts";
import { resolvesWithin } from "./deadline.ts";
import { averagingTerms } from "./run_terms.ts";
import type { RunTerms } from "./run_terms.ts";
import { SendQueue } from "./send_queue.ts";

/** Own share, what arrived, and what was had before; memory that is not used takes no room. */
const COPIES = 3;

/** A link over which nothing can be sent is closed within this time, and says why. */
const CLOSING_MS = 3_000;

/** A node of another cluster with which this one exchanges pieces. */
export interface Partner extends Holder {
  readonly link: Link;
  /** Node and address, for messages. */
  readonly name: string;
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
  readonly executor: Pick<StageEngine, "statistics" | "replaceStatistics">;
  readonly weights: Pick<StageWeights, "tensors" | "replace">;
  /** Links to the partners, by the names of their nodes. */
  readonly links: ReadonlyMap<string, Link>;
  readonly handlers: AveragingHandlers;
}

/** A tensor that is averaged: where it begins in this node's memory, in elements. */
interface Averaged {
  readonly name: string;
  readonly begin: number;
  readonly end: number;
}

/**
 * One node's part in averaging the clusters: lays its weighted values into memory of their own,
 * lets the pieces go around, and gives the mean back to the stage.
 */
export class Averaging {
  readonly #o: AveragingOptions;
  readonly #pieces: readonly Piece[];
  readonly #machine: AllReduce;
  readonly #self: Holder;
  readonly #partners: readonly Partner[];
  readonly #queues: ReadonlyMap<number, SendQueue>;
  readonly #tensors: readonly Averaged[];
  /** First element of each own piece in the two arrays below. */
  readonly #places = new Map<number, number>();
  /** This node's share of each piece, then its sum. */
  readonly #sums: Float32Array;
  /** What has arrived of each piece, to be added. */
  readonly #arrived: Float32Array;
  /** What this node had when the round began, where it moves on before the mean is there. */
  readonly #begun: Float32Array;
  #movesOn = false;
  readonly #left = new Set<Partner>();
  /** What the partners train by, until this node knows what it trains by itself. */
  readonly #told = new Map<Partner, string>();
  #terms: { readonly text: string; readonly weight: number } | undefined;

  constructor(options: AveragingOptions) {
    const { node, layout, manifest, links } = options;
    this.#o = options;
    this.#self = placeOf(layout, node);
    const clusters = layout.clusters.map((stages) => stages.map(({ ranges }) => ranges));
    this.#pieces = piecesOf({ rings: layout.rings, clusters });
    this.#machine = new AllReduce(this.#pieces, this.#self);
    this.#partners = partnerNodes(layout, node).map(({ cluster, stage, name, address }) => {
      const link = links.get(name);
      if (link === undefined) throw new Error(`no link to ${name}`);
      return { cluster, stage, link, name: `${name} at ${address}` };
    });
    const next = (this.#self.cluster + 1) % clusters.length;
    this.#queues = new Map(
      this.#partners.filter(({ cluster }) => cluster === next)
        .map((
          { stage, link },
        ) => [stage, new SendQueue(link, (error) => this.#unsent(link, error))]),
    );
    let elements = 0;
    const begins = new Map<number, number>();
    for (const [begin, end] of clusters[this.#self.cluster]![this.#self.stage]!) {
      begins.set(begin, elements);
      elements += end - begin;
    }
    const placeIn = placer(begins);
    for (const piece of this.#machine.own) {
      this.#places.set(piece, placeIn(this.#pieces[piece]!.begin));
    }
    this.#tensors = [...averagedTensors(manifest)].map(([name, size]) => {
      const begin = placeIn(layout.tensors[name]!);
      return { name, begin, end: begin + size };
    });
    const bytes = new Array<number>(COPIES).fill(elements * 4);
    const arena = new Arena(COPIES * paddedSize(elements * 4));
    const [sums, arrived, begun] = arena.allocateTogether(bytes).map(floatsOf);
    this.#sums = sums!;
    this.#arrived = arrived!;
    this.#begun = begun!;
  }

  /** All nodes of other clusters with which this one has a link. */
  get partners(): readonly Partner[] {
    return this.#partners;
  }

  /** Begins to take in messages. */
  open(): void {
    for (const partner of this.#partners) {
      partner.link.start({
        place: (head) => this.#place(partner, head),
        arrived: (head) => this.#guard(() => this.#take(partner, head)),
        control: (message) => this.#guard(() => this.#control(partner, message)),
      });
      partner.link.closed.then((closed) => {
        this.#left.add(partner);
        if (closed.kind === "bye") this.#o.handlers.changed();
        else this.#o.handlers.closed(partner, closed);
      });
    }
  }

  /** The run begins: compares with the partners what they train by. */
  begin(terms: RunTerms): void {
    const text = averagingTerms(terms);
    this.#movesOn = (terms.shape.reduce_delay ?? 0) > 0;
    this.#terms = { text, weight: terms.averaging?.weight ?? 1 / this.#clusters };
    const message = { kind: "begin", step: 0, epoch: 0, values: [], text } as const;
    for (const partner of this.#partners) {
      partner.link.control(message).catch((error) => this.#unsent(partner.link, error));
      this.#compare(partner);
    }
  }

  /** Begins a round with the weights in buffer `buffer` and the newest running statistics. */
  async contribute(buffer: number): Promise<void> {
    await this.#gather(buffer);
    if (this.#movesOn) this.#begun.set(this.#sums);
    scale(this.#sums, this.#terms!.weight);
    this.#perform(this.#machine.contribute());
  }

  /** Lays the stage's values into memory of their own. */
  async #gather(buffer: number): Promise<void> {
    const { weights, executor } = this.#o;
    const values = new Map([...await weights.tensors(buffer), ...await executor.statistics()]);
    for (const { name, begin, end } of this.#tensors) {
      const { bytes } = values.get(name)!;
      this.#sums.subarray(begin, end).set(floatsOf(bytes));
    }
  }

  /** Whether this node has the whole mean, and nothing left to send of it. */
  get ready(): boolean {
    return this.#machine.finished && [...this.#queues.values()].every(({ isEmpty }) => isEmpty);
  }

  /** Gives the mean to the stage, as the weights in buffer `buffer`. */
  async adopt(buffer: number): Promise<void> {
    const { weights, executor, manifest } = this.#o;
    const values = new Map(
      this.#tensors.map(({ name, begin, end }) => [name, this.#sums.subarray(begin, end)]),
    );
    await weights.replace(buffer, values);
    await executor.replaceStatistics(
      new Map(manifest.statistics.map(({ running }) => [running, values.get(running)!])),
    );
  }

  /**
   * Corrects the weights in buffer `buffer`, which have moved on since the round began, by what the
   * mean differs from what they were then: w ← w + (mean − w₀).
   */
  async correct(buffer: number): Promise<void> {
    blend(this.#begun, this.#sums, -1, 1);
    await this.#gather(buffer);
    add(this.#sums, this.#begun);
    await this.adopt(buffer);
  }

  /** What this node waits for, in words. */
  get expected(): string {
    const names = this.#awaited().map(({ name }) => name);
    return `the average of the weights${names.length > 0 ? ` from ${names.join(" and ")}` : ""}`;
  }

  /** A partner that has said goodbye, and owes this node something. */
  get missing(): string | undefined {
    return this.#awaited().find((partner) => this.#left.has(partner))?.name;
  }

  /** Tells all partners that the run has failed, and why. */
  async fail(message: string): Promise<void> {
    await Promise.all(this.#partners.map(({ link }) => link.fail(message)));
  }

  /** Says goodbye. */
  async close(): Promise<void> {
    await Promise.all(this.#partners.map(({ link }) => link.close()));
  }

  get #clusters(): number {
    return this.#o.layout.clusters.length;
  }

  #awaited(): Partner[] {
    const holders = this.#machine.awaited;
    return this.#partners.filter(({ cluster, stage }) =>
      holders.some((holder) => holder.cluster === cluster && holder.stage === stage)
    );
  }

  #part(array: Float32Array, piece: number): Float32Array {
    const { begin, end } = this.#pieces[piece]!;
    const at = this.#places.get(piece)!;
    return array.subarray(at, at + end - begin);
  }

  #place({ name }: Partner, { kind, microBatch: piece, tensors }: TensorHead): Uint8Array[] {
    const size = this.#places.has(piece) ? this.#part(this.#sums, piece).length : -1;
    const [tensor] = tensors;
    const fits = (kind === "reduce" || kind === "gather") && tensors.length === 1 &&
      tensor!.dtype === "float32" && tensor!.dims.length === 1 && tensor!.dims[0] === size;
    if (!fits) {
      throw new RavnError(
        `${name} sent ${kind} ${piece}, which does not fit here: do all nodes have the same plan?`,
      );
    }
    return [bytesOf(this.#part(kind === "reduce" ? this.#arrived : this.#sums, piece))];
  }

  #take(partner: Partner, { kind, microBatch: piece, step: round }: TensorHead): void {
    if (kind !== "reduce" && kind !== "gather") return;
    this.#perform(this.#machine.arrived(kind, piece, round, partner));
    this.#o.handlers.changed();
  }

  #perform(actions: readonly ReduceAction[]): void {
    for (const action of actions) {
      const { piece } = action;
      const sum = this.#part(this.#sums, piece);
      if (action.type === "add") addTo(sum, this.#part(this.#arrived, piece));
      else {
        const head: TensorHead = {
          kind: action.kind,
          microBatch: piece,
          step: this.#machine.round,
          weightVersion: 0,
          samples: 0,
          tensors: tensorsOf(sum.length),
        };
        this.#queues.get(action.to)!.send(head, bytesOf(sum), this.#o.handlers.changed);
      }
    }
  }

  #control(partner: Partner, { kind, text }: Control): void {
    if (kind !== "begin") {
      throw new RavnError(`${partner.name} sent "${kind}", which this run has no use for`);
    }
    this.#told.set(partner, text);
    this.#compare(partner);
  }

  #compare(partner: Partner): void {
    const told = this.#told.get(partner);
    if (told === undefined || this.#terms === undefined || told === this.#terms.text) return;
    const [theirs, ours] = [told, this.#terms.text].map((text) => JSON.parse(text) as object);
    const other = new Map(Object.entries(theirs!));
    const [key, value] = Object.entries(ours!)
      .find(([key, value]) => JSON.stringify(value) !== JSON.stringify(other.get(key))) ?? [];
    const shown = (value: unknown) => JSON.stringify(value) ?? "none";
    throw new RavnError(
      `${partner.name} trains with ${key} ${shown(other.get(key ?? ""))}, ${this.#o.node} with ` +
        `${shown(value)}; use one ravn.yaml and the same data in all clusters`,
    );
  }

  #guard(handle: () => void): void {
    try {
      handle();
    } catch (thrown) {
      this.#o.handlers.failed(thrown instanceof Error ? thrown : new Error(String(thrown)));
    }
  }

  /** What the partner said before it closed tells more than that it takes nothing any more. */
  async #unsent(link: Link, error: Error): Promise<void> {
    if (!await resolvesWithin(CLOSING_MS, link.closed)) this.#o.handlers.failed(error);
  }
}

/** The nodes of other clusters with which node `name` exchanges pieces. */
export function partnerNodes(
  layout: AveragingLayout,
  name: string,
): (Holder & { readonly name: string; readonly address: string })[] {
  const clusters = layout.clusters.map((stages) => stages.map(({ ranges }) => ranges));
  const pieces = piecesOf({ rings: layout.rings, clusters });
  return partnersOf(pieces, placeOf(layout, name)).map(({ cluster, stage }) => {
    const { name, address } = layout.clusters[cluster]![stage]!;
    return { cluster, stage, name, address };
  });
}

function placeOf({ clusters }: AveragingLayout, node: string): Holder {
  for (const [cluster, stages] of clusters.entries()) {
    const stage = stages.findIndex(({ name }) => name === node);
    if (stage >= 0) return { cluster, stage };
  }
  throw new Error(`${node} is not in the plan's rings`);
}

/** From an element's number in all rings to its place in this node's memory. */
function placer(begins: ReadonlyMap<number, number>): (element: number) => number {
  const ranges = [...begins].sort(([a], [b]) => b - a);
  return (element) => {
    const [begin, at] = ranges.find(([begin]) => begin <= element)!;
    return at + element - begin;
  };
}

/** Elements at which the kernels' arrays may begin. */
const KERNEL_ELEMENTS = 4;

/** sum ← sum + source, which begin at the same place of their arrays, wherever that is. */
function addTo(sum: Float32Array, source: Float32Array): void {
  const past = sum.byteOffset / 4 % KERNEL_ELEMENTS;
  const head = Math.min(sum.length, past === 0 ? 0 : KERNEL_ELEMENTS - past);
  for (let i = 0; i < head; i++) sum[i] = sum[i]! + source[i]!;
  if (head < sum.length) add(sum.subarray(head), source.subarray(head));
}

const sizes = new Map<number, readonly TensorInfo[]>();

/** The description of a piece, made once a size. */
function tensorsOf(elements: number): readonly TensorInfo[] {
  const known = sizes.get(elements);
  if (known !== undefined) return known;
  const made = [{ name: "piece", dtype: "float32", dims: [elements] }] as const;
  sizes.set(elements, made);
  return made;
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
