import type { Piece } from "../collective/mod.ts";
import { add, paddedSize } from "../runtime/mod.ts";

/** A stretch of elements that lie one behind the other in a node's memory too. */
interface Stretch {
  readonly begin: number;
  readonly end: number;
  /** Where it begins in memory. */
  readonly at: number;
}

/**
 * Where the elements that a node averages lie in its memory, which is any number of arrays of
 * `length` numbers: first the parameters, in the order of the rings, then whatever is exact.
 */
export class PieceMemory {
  /** Elements of each array. */
  readonly length: number;
  /** The first so many are parameters. */
  readonly parameters: number;
  /** Where whatever is exact begins: a place where a kernel may begin. */
  readonly exact: number;
  readonly #pieces: readonly Piece[];
  readonly #stretches: readonly Stretch[];

  /**
   * @param pieces all pieces of all nodes
   * @param own indices of those that the node holds, in order
   */
  constructor(pieces: readonly Piece[], own: readonly number[]) {
    this.#pieces = pieces;
    const held = own.map((piece) => pieces[piece]!);
    const [parameters, end] = stretched(held.filter(({ exact }) => !exact), 0);
    this.parameters = end;
    this.exact = paddedSize(end * 4) / 4;
    const [exact, length] = stretched(held.filter(({ exact }) => exact), this.exact);
    this.length = length;
    this.#stretches = [...parameters, ...exact].sort((a, b) => a.begin - b.begin);
  }

  /** The part of an array that holds a piece. */
  part(array: Float32Array, piece: number): Float32Array {
    const { begin, end } = this.#pieces[piece]!;
    return array.subarray(...this.place(begin, end));
  }

  /** Where elements `begin` to `end` of the rings lie: a tensor, or a piece. */
  place(begin: number, end: number): [from: number, to: number] {
    let [low, high] = [0, this.#stretches.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.#stretches[middle]!.begin <= begin) low = middle;
      else high = middle;
    }
    const stretch = this.#stretches[low];
    if (stretch === undefined || begin < stretch.begin || stretch.end < end) {
      throw new Error(`elements ${begin} to ${end} do not lie together here`);
    }
    const from = stretch.at + begin - stretch.begin;
    return [from, from + end - begin];
  }
}

/** Lays pieces one behind the other; returns the stretches, and where the last one ends. */
function stretched(pieces: readonly Piece[], at: number): [stretches: Stretch[], end: number] {
  const stretches: { begin: number; end: number; readonly at: number }[] = [];
  for (const { begin, end } of pieces) {
    const last = stretches.at(-1);
    if (last?.end === begin) last.end = end;
    else stretches.push({ begin, end, at });
    at += end - begin;
  }
  return [stretches, at];
}

/** Elements at which the kernels' arrays may begin. */
const KERNEL_ELEMENTS = 4;

/**
 * sum ← sum + source, parts of arrays of one arena slab that begin at the same place of theirs,
 * wherever that is.
 */
export function addTo(sum: Float32Array, source: Float32Array): void {
  const past = sum.byteOffset / 4 % KERNEL_ELEMENTS;
  const head = Math.min(sum.length, past === 0 ? 0 : KERNEL_ELEMENTS - past);
  for (let i = 0; i < head; i++) sum[i] = sum[i]! + source[i]!;
  if (head < sum.length) add(sum.subarray(head), source.subarray(head));
}
