/** What a bench found: medians over all rounds. */
export interface Comparison {
  /** Ours over the peer's, round by round. */
  readonly ratio: number;
  readonly ours: number;
  readonly peer: number;
}

/** The line that a bench prints. */
export type BenchLine =
  | ({
    readonly bench: string;
    readonly peer_name: string;
    readonly unit: string;
    /** The best ratio that can be had, where that is not 1. */
    readonly ideal?: number;
    /** Accuracy at the end, where both learn something, in percent. */
    readonly accuracy?: { readonly ours: number; readonly peer: number };
  } & Comparison)
  | { readonly bench: string; readonly skipped: string };

/**
 * Measures two things in turn, so that whatever else the machine does hits both alike.
 *
 * @param ours one measurement of ours, e.g. in milliseconds
 * @param peer one of the peer's, in the same unit
 * @param o.rounds measurements of each that count
 * @param o.warmup measurements of each before them
 */
export async function interleave(
  ours: () => number | Promise<number>,
  peer: () => number | Promise<number>,
  o: { readonly rounds?: number; readonly warmup?: number } = {},
): Promise<Comparison> {
  const { rounds = 15, warmup = 3 } = o;
  const pairs: { ours: number; peer: number }[] = [];
  for (let round = 0; round < warmup + rounds; round++) {
    // Each goes first in half of the rounds.
    const pair = { ours: 0, peer: 0 };
    if (round % 2 === 0) pair.ours = await ours();
    pair.peer = await peer();
    if (round % 2 === 1) pair.ours = await ours();
    if (round >= warmup) pairs.push(pair);
  }
  return {
    ratio: median(pairs.map(({ ours, peer }) => ours / peer)),
    ours: median(pairs.map(({ ours }) => ours)),
    peer: median(pairs.map(({ peer }) => peer)),
  };
}

/** The middle of `values`, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Milliseconds that each of `repeats` calls of `run` takes on average. */
export async function millisecondsOf(
  run: () => void | Promise<void>,
  repeats = 1,
): Promise<number> {
  const start_ms = performance.now();
  for (let i = 0; i < repeats; i++) {
    const result = run();
    if (result !== undefined) await result;
  }
  return (performance.now() - start_ms) / repeats;
}

/** Prints a bench's line, with numbers to four digits. */
export function report(line: BenchLine): void {
  const rounded = (_key: string, value: unknown) =>
    typeof value === "number" ? Number(value.toPrecision(4)) : value;
  // deno-lint-ignore no-console
  console.log(JSON.stringify(line, rounded));
}
