/** Elements `begin` to `end`, which is excluded. */
export type Range = readonly [begin: number, end: number];

/** Which elements each node of each cluster holds. All clusters hold all elements. */
export interface Holdings {
  /** End of each ring: ring r is the elements from the end of ring r − 1. */
  readonly rings: readonly number[];
  /** By cluster and stage: ranges, in order. */
  readonly clusters: readonly (readonly (readonly Range[])[])[];
  /** Elements whose values themselves are averaged, and travel as they are; none if absent. */
  readonly exact?: readonly Range[];
}

/** A range that one node of each cluster holds as a whole: what goes around at one go. */
export interface Piece {
  readonly begin: number;
  readonly end: number;
  /** The cluster that sends it first; the sum is complete in the one before it. */
  readonly first: number;
  /** The stage that holds it, by cluster. */
  readonly holders: readonly number[];
  /** Whether it lies in the exact ranges: it never lies in one with a part only. */
  readonly exact: boolean;
}

/** A node's place: its cluster, and its stage in it. */
export interface Holder {
  readonly cluster: number;
  readonly stage: number;
}

/** The most bytes of a piece: so that sending, crossing and adding overlap. */
export const PIECE_BYTES_MAX = 2 ** 20;

/**
 * Cuts all elements into pieces. A ring is cut into as many equal chunks as there are clusters;
 * chunk k begins its way at cluster k, so that all links are busy at once (Patarasu and Yuan 2009).
 * A chunk is cut again wherever some cluster cuts it over two nodes, where exact ranges begin and
 * end, and where it is longer than `elementsMax`: so every transfer is the intersection of what
 * sender and receiver hold, whatever the cuts of the clusters are.
 *
 * @returns the pieces in order, the same ones on all nodes
 * @throws {Error} where a cluster holds an element twice or not at all
 */
export function piecesOf(
  { rings, clusters, exact = [] }: Holdings,
  elementsMax: number = PIECE_BYTES_MAX / 4,
): Piece[] {
  const count = clusters.length;
  const borders = new Set<number>();
  for (const [, end] of clusters.flat(2)) borders.add(end);
  for (const border of exact.flat()) borders.add(border);
  rings.forEach((end, ring) => {
    const begin = ring === 0 ? 0 : rings[ring - 1]!;
    for (let k = 1; k <= count; k++) borders.add(begin + Math.floor((end - begin) * k / count));
  });
  borders.delete(0);
  const cursors = clusters.map((stages, cluster) => new Cursor(stages, cluster));
  const pieces: Piece[] = [];
  let begin = 0;
  for (const border of [...borders].sort((a, b) => a - b)) {
    const holders = cursors.map((cursor) => cursor.holder(begin, border));
    const first = chunkOf(rings, begin, count);
    const isExact = exact.some(([from, to]) => from <= begin && begin < to);
    for (; begin < border; begin = Math.min(border, begin + elementsMax)) {
      const end = Math.min(border, begin + elementsMax);
      pieces.push({ begin, end, first, holders, exact: isExact });
    }
  }
  for (const cursor of cursors) cursor.finish(begin);
  return pieces;
}

/** The chunk of its ring in which an element lies. */
function chunkOf(rings: readonly number[], element: number, count: number): number {
  const ring = rings.findIndex((end) => element < end);
  const begin = ring === 0 ? 0 : rings[ring - 1]!;
  const size = rings[ring]! - begin;
  let chunk = 0;
  while (element - begin >= Math.floor(size * (chunk + 1) / count)) chunk++;
  return chunk;
}

/** Walks over the ranges of one cluster. */
class Cursor {
  readonly #ranges: readonly { readonly range: Range; readonly stage: number }[];
  readonly #cluster: number;
  #at = 0;

  constructor(stages: readonly (readonly Range[])[], cluster: number) {
    this.#cluster = cluster;
    this.#ranges = stages
      .flatMap((ranges, stage) => ranges.map((range) => ({ range, stage })))
      .filter(({ range: [begin, end] }) => begin < end)
      .sort((a, b) => a.range[0] - b.range[0]);
  }

  /** The stage that holds a range. */
  holder(begin: number, end: number): number {
    while ((this.#ranges[this.#at]?.range[1] ?? Infinity) <= begin) this.#at++;
    const found = this.#ranges[this.#at];
    if (found === undefined || begin < found.range[0] || found.range[1] < end) {
      throw this.#error(begin, found === undefined ? "nothing" : found.range.join("-"));
    }
    return found.stage;
  }

  /** Checks that the ranges lie one behind the other up to `end`. */
  finish(end: number): void {
    let at = 0;
    for (const { range } of this.#ranges) {
      if (range[0] !== at) throw this.#error(at, range.join("-"));
      at = range[1];
    }
    if (at !== end) throw this.#error(at, "nothing");
  }

  #error(element: number, found: string): Error {
    return new Error(
      `cluster ${this.#cluster} must hold element ${element} exactly once, found ${found}`,
    );
  }
}

/** The nodes with which a node exchanges pieces, in the clusters before and behind its own. */
export function partnersOf(pieces: readonly Piece[], { cluster, stage }: Holder): Holder[] {
  const partners = new Map<string, Holder>();
  for (const { holders } of pieces) {
    if (holders.length < 2 || holders[cluster] !== stage) continue;
    for (const step of [1, holders.length - 1]) {
      const other = (cluster + step) % holders.length;
      const holder = { cluster: other, stage: holders[other]! };
      partners.set(`${holder.cluster} ${holder.stage}`, holder);
    }
  }
  return [...partners.values()].sort((a, b) => a.cluster - b.cluster || a.stage - b.stage);
}
