import type { Holder, Piece } from "../../collective/mod.ts";
import type { AveragingValues } from "../simulated_averaging.ts";

/** What cluster `cluster` brings into round `round` for an element, before it is weighted. */
export function valueOf(cluster: number, element: number, round: number): number {
  return Math.fround(Math.sin(1 + cluster * 7 + element * 1.3 + round * 0.7));
}

/** All elements of all clusters; each node works on the pieces that it is told of. */
export class AveragedValues {
  /** By cluster. */
  readonly sums: readonly Float32Array[];
  readonly rounds = new Map<string, number>();
  readonly #clusters: number;

  constructor(clusters: number, elements: number) {
    this.#clusters = clusters;
    this.sums = Array.from({ length: clusters }, () => new Float32Array(elements));
  }

  /** What one node holds. */
  of({ cluster, stage }: Holder, pieces: readonly Piece[]): AveragingValues {
    const sums = this.sums[cluster]!;
    const part = (piece: number) => sums.subarray(pieces[piece]!.begin, pieces[piece]!.end);
    const own = pieces.filter(({ holders }) => holders[cluster] === stage);
    const key = `${cluster} ${stage}`;
    return {
      contribute: () => {
        const round = (this.rounds.get(key) ?? -1) + 1;
        this.rounds.set(key, round);
        for (const { begin, end } of own) {
          for (let i = begin; i < end; i++) sums[i] = valueOf(cluster, i, round) / this.#clusters;
        }
      },
      read: (piece) => part(piece).slice(),
      add: (piece, values) => part(piece).forEach((value, i, sum) => sum[i] = value + values[i]!),
      replace: (piece, values) => part(piece).set(values),
    };
  }
}
