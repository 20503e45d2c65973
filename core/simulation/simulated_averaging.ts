import { AllReduce } from "../collective/mod.ts";
import type { Holder, Piece, ReduceAction, TransferKind } from "../collective/mod.ts";
import type { EventQueue } from "./event_queue.ts";
import { ELEMENT_BYTES, MEMORY_BYTES_PER_MS } from "./stage_times.ts";

/** What a node averages, where a simulation carries real values. */
export interface AveragingValues {
  /** A round begins: this node's weighted share is what the pieces hold from now on. */
  contribute(): void;
  /** A copy of what a piece holds. */
  read(piece: number): Float32Array;
  add(piece: number, values: Float32Array): void;
  replace(piece: number, values: Float32Array): void;
}

/** A piece on its way to the next cluster. */
export interface Transfer {
  readonly kind: TransferKind;
  readonly piece: number;
  readonly round: number;
  readonly bytes: number;
  readonly values: Float32Array | undefined;
}

/** Everything a node needs to average on virtual time. */
export interface AveragingOptions {
  readonly queue: EventQueue;
  readonly pieces: readonly Piece[];
  readonly self: Holder;
  readonly values: AveragingValues | undefined;
  /** Sends a piece to a stage of the next cluster; `sent` is called when it has left. */
  readonly send: (to: number, transfer: Transfer, sent: () => void) => void;
  /** Something came or left: the stage may go on. */
  readonly changed: () => void;
}

/**
 * One node's part in averaging: what `AllReduce` says, with the time that adding takes. A node adds
 * one piece at a time, beside its training.
 */
export class SimulatedAveraging {
  readonly #o: AveragingOptions;
  readonly #machine: AllReduce;
  readonly #came = new Map<number, Float32Array>();
  #adderFree_ms = 0;
  /** Pieces that are being added or have not left. */
  #pending = 0;
  #begun_ms = 0;
  #isReady = true;

  /** From the beginning of each round until this node has the mean and has sent all, ms. */
  readonly rounds_ms: number[] = [];

  constructor(options: AveragingOptions) {
    this.#o = options;
    this.#machine = new AllReduce(options.pieces, options.self);
  }

  /** Whether this node has the whole mean, and nothing left to send of it. */
  get ready(): boolean {
    return this.#machine.finished && this.#pending === 0;
  }

  /** The nodes whose pieces this one waits for. */
  get awaited(): readonly Holder[] {
    return this.#machine.awaited;
  }

  /** Begins a round. */
  contribute(): void {
    this.#begun_ms = this.#o.queue.now_ms;
    this.#isReady = false;
    this.#o.values?.contribute();
    const actions = this.#machine.contribute();
    for (let i = 0; i < actions.length; i++) {
      const [action, next] = [actions[i]!, actions[i + 1]];
      if (action.type === "send") this.#send(action);
      else if (next?.type === "send" && next.piece === action.piece) {
        this.#add(action.piece, next);
        i++;
      } else this.#add(action.piece, undefined);
    }
    this.#check();
  }

  /** A piece arrived from a node of the cluster before. */
  arrived({ kind, piece, round, values }: Transfer, from: Holder): void {
    const actions = this.#machine.arrived(kind, piece, round, from);
    if (values !== undefined) {
      if (kind === "gather") this.#o.values?.replace(piece, values);
      else this.#came.set(piece, values);
    }
    if (actions[0]?.type === "add") this.#add(piece, actions[1]);
    else if (actions[0] !== undefined) this.#send(actions[0]);
    this.#check();
  }

  #bytes(piece: number): number {
    const { begin, end } = this.#o.pieces[piece]!;
    return (end - begin) * ELEMENT_BYTES;
  }

  /** Adds what came of a piece, and sends the sum on. */
  #add(piece: number, next: ReduceAction | undefined): void {
    const { queue, values } = this.#o;
    // Two numbers are read and one is written.
    const work_ms = 3 * this.#bytes(piece) / MEMORY_BYTES_PER_MS;
    this.#adderFree_ms = Math.max(queue.now_ms, this.#adderFree_ms) + work_ms;
    this.#pending++;
    queue.at(this.#adderFree_ms, () => {
      const came = this.#came.get(piece);
      this.#came.delete(piece);
      if (came !== undefined) values?.add(piece, came);
      if (next !== undefined) this.#send(next);
      this.#settled();
    });
  }

  #send(action: ReduceAction): void {
    if (action.type !== "send") throw new Error(`piece ${action.piece} is added twice`);
    const { kind, piece, to } = action;
    const values = this.#o.values?.read(piece);
    const transfer = { kind, piece, round: this.#machine.round, bytes: this.#bytes(piece), values };
    this.#pending++;
    this.#o.send(to, transfer, () => this.#settled());
  }

  #settled(): void {
    this.#pending--;
    this.#check();
  }

  #check(): void {
    if (this.#isReady || !this.ready) return;
    this.#isReady = true;
    this.rounds_ms.push(this.#o.queue.now_ms - this.#begun_ms);
    this.#o.changed();
  }
}
