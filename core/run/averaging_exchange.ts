import { AllReduce } from "../collective/mod.ts";
import type { Holder, Piece, ReduceAction } from "../collective/mod.ts";
import type { Codec } from "../compression/mod.ts";
import { RavnError } from "../error.ts";
import { Arena, floatsOf, paddedSize } from "../runtime/mod.ts";
import type { TensorHead, TensorInfo } from "../../transport/mod.ts";
import { EncodedPieces } from "./averaging_encoding.ts";
import { addTo, PieceMemory } from "./averaging_memory.ts";
import type { Partner } from "./averaging_partners.ts";
import { SendQueue } from "./send_queue.ts";

/** Bytes of a node's sums that it sent. */
export interface ExchangeBytes {
  /** As they went over the links, without heads. */
  readonly sent: number;
  /** As they would be in float32. */
  readonly raw: number;
}

/** Everything a `PieceExchange` needs. */
export interface ExchangeOptions {
  /** All pieces of all nodes. */
  readonly pieces: readonly Piece[];
  readonly self: Holder;
  readonly partners: readonly Partner[];
  /** Arrays that the caller has of this node's elements, beside those of the exchange. */
  readonly arrays: number;
  /** How pieces are sent that are not exact; as they are if absent. */
  readonly codec?: Codec | undefined;
  /** Whether what a message does not tell is added to the next one about the same piece. */
  readonly feedback?: boolean | undefined;
  /** A piece arrived, or was sent. */
  readonly changed: () => void;
  /** A message to a partner could not be sent. */
  readonly unsent: (partner: Partner, error: Error) => void;
}

/**
 * One node's part in an all-reduce: keeps its share, lets the pieces go around over the links to
 * its partners, and has the sum in the place of the share.
 */
export class PieceExchange {
  /** Where the elements lie in `sums` and in `arrays`. */
  readonly memory: PieceMemory;
  /** This node's share before a round, and the sum after it. */
  readonly sums: Float32Array;
  /** The caller's arrays, of zeros. */
  readonly arrays: readonly Float32Array[];
  readonly #o: ExchangeOptions;
  readonly #machine: AllReduce;
  readonly #queues: ReadonlyMap<number, SendQueue>;
  /** What has arrived of each piece, to be added. */
  readonly #arrived: Float32Array;
  readonly #encoded: EncodedPieces | undefined;
  #sent_bytes = 0;
  #raw_bytes = 0;

  constructor(options: ExchangeOptions) {
    const { pieces, self, partners, arrays, codec, feedback = false } = options;
    this.#o = options;
    this.#machine = new AllReduce(pieces, self);
    const { own } = this.#machine;
    this.memory = new PieceMemory(pieces, own);
    const next = (self.cluster + 1) % (pieces[0]?.holders.length ?? 1);
    this.#queues = new Map(
      partners.filter(({ cluster }) => cluster === next).map((partner) => [
        partner.stage,
        new SendQueue(partner.link, (error) => options.unsent(partner, error)),
      ]),
    );
    const bytes = this.memory.length * 4;
    // Memory that is not used takes no room.
    const arena = new Arena((arrays + 3) * paddedSize(bytes));
    const [sums, arrived, residuals, ...others] = arena
      .allocateTogether(new Array<number>(arrays + 3).fill(bytes)).map(floatsOf);
    this.sums = sums!;
    this.#arrived = arrived!;
    this.arrays = others;
    const lossy = new Map(
      own.map((piece) => [piece, pieces[piece]!] as const)
        .filter(([, { exact }]) => !exact),
    );
    this.#encoded = codec &&
      new EncodedPieces(codec, lossy, this.memory, feedback ? residuals : undefined);
  }

  /** Begins a round with what lies in `sums`. */
  contribute(): void {
    this.#perform(this.#machine.contribute(), false);
  }

  /** Whether this node has the whole sum, and nothing left to send of it. */
  get ready(): boolean {
    return this.#machine.finished && [...this.#queues.values()].every(({ isEmpty }) => isEmpty);
  }

  /** The nodes whose pieces this one waits for. */
  get awaited(): Holder[] {
    return this.#machine.awaited;
  }

  /** What this node has sent in all rounds. */
  get bytes(): ExchangeBytes {
    return { sent: this.#sent_bytes, raw: this.#raw_bytes };
  }

  /** Where the bytes of a message belong. @throws {RavnError} where it does not fit here */
  place(
    { name, stage }: Partner,
    { kind, microBatch: piece, tensors }: TensorHead,
  ): Uint8Array[] {
    const isKnown = (kind === "reduce" || kind === "gather") && this.#machine.holds(piece);
    const [place, expected] = isKnown ? this.#receives(kind, piece, stage) : [];
    const [tensor] = tensors;
    const fits = expected !== undefined && tensors.length === 1 &&
      tensor!.dtype === expected.dtype && tensor!.dims.length === 1 &&
      tensor!.dims[0] === expected.dims[0];
    if (place === undefined || !fits) {
      throw new RavnError(
        `${name} sent ${kind} ${piece}, which does not fit here: do all nodes have the same plan?`,
      );
    }
    return [place];
  }

  /** Where a piece belongs that stage `stage` sends, and as what it has to come. */
  #receives(
    kind: "reduce" | "gather",
    piece: number,
    stage: number,
  ): [place: Uint8Array, info: TensorInfo] {
    const encoded = this.#encodes(piece);
    if (encoded !== undefined) {
      const place = encoded.place(kind, piece, stage);
      return [place, infoOf("uint8", place.length)[0]!];
    }
    const part = this.memory.part(kind === "reduce" ? this.#arrived : this.sums, piece);
    return [bytesOf(part), infoOf("float32", part.length)[0]!];
  }

  /** A message whose bytes are in place. @throws {Error} where it is out of order */
  arrived(partner: Partner, { kind, microBatch: piece, step: round }: TensorHead): void {
    if (kind !== "reduce" && kind !== "gather") return;
    const target = kind === "reduce" ? this.#arrived : this.sums;
    this.#encodes(piece)?.decode(kind, piece, partner.stage, target);
    this.#perform(this.#machine.arrived(kind, piece, round, partner), kind === "gather");
    this.#o.changed();
  }

  /** Pieces that are not exact are encoded. */
  #encodes(piece: number): EncodedPieces | undefined {
    return this.#o.pieces[piece]!.exact ? undefined : this.#encoded;
  }

  /** @param passedOn whether what is sent is what has just arrived */
  #perform(actions: readonly ReduceAction[], passedOn: boolean): void {
    for (const action of actions) {
      if (action.type === "send") this.#send(action, passedOn);
      else {
        const { piece } = action;
        addTo(this.memory.part(this.sums, piece), this.memory.part(this.#arrived, piece));
      }
    }
  }

  #send({ kind, piece, to }: ReduceAction & { type: "send" }, passedOn: boolean): void {
    const sum = this.memory.part(this.sums, piece);
    const encoded = this.#encodes(piece);
    if (!passedOn) encoded?.encode(kind, piece, this.sums);
    const bytes = encoded?.bytesOf(piece) ?? bytesOf(sum);
    const head: TensorHead = {
      kind,
      microBatch: piece,
      step: this.#machine.round,
      weightVersion: 0,
      samples: 0,
      tensors: encoded ? infoOf("uint8", bytes.length) : infoOf("float32", sum.length),
    };
    this.#sent_bytes += bytes.length;
    this.#raw_bytes += sum.byteLength;
    this.#queues.get(to)!.send(head, bytes, this.#o.changed);
  }
}

const infos = new Map<string, readonly TensorInfo[]>();

/** The description of a piece, made once a size. */
function infoOf(dtype: "float32" | "uint8", length: number): readonly TensorInfo[] {
  const key = `${dtype} ${length}`;
  const known = infos.get(key);
  if (known !== undefined) return known;
  const made = [{ name: "piece", dtype, dims: [length] }] as const;
  infos.set(key, made);
  return made;
}

/** The same memory as bytes. */
export function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
