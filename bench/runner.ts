import type { Bench } from "./list.ts";

/** A bench that takes longer is stopped and counts as failed. */
const TIMEOUT_MS = 600_000;

/** Starts one bench; a test brings its own. */
export type Start = (bench: Bench) => Promise<Outcome>;

/** What a bench's process left. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  /** Last line of standard error, where the reason of a failure stands. */
  readonly reason: string;
}

/**
 * Runs the benches whose name begins with `prefix`, one after the other, and hands on their lines
 * of JSON. A bench that fails, or that prints nothing, becomes a line with its error. True where
 * none failed.
 */
export async function runBenches(
  benches: readonly Bench[],
  prefix: string,
  start: Start,
  print: (line: string) => void,
): Promise<boolean> {
  const chosen = benches.filter(({ name }) => name.startsWith(prefix));
  if (chosen.length === 0) {
    const known = benches.map(({ name }) => name).join(", ");
    print(JSON.stringify({ bench: prefix, error: `no such bench; there are ${known}` }));
    return false;
  }
  let good = true;
  for (const bench of chosen) {
    const { code, stdout, reason } = await start(bench);
    const lines = stdout.split("\n").filter((line) => line.startsWith('{"bench":'));
    lines.forEach(print);
    if (code === 0 && lines.length > 0) continue;
    good = false;
    const error = code === 0 ? "it printed no result" : reason || `it ended with exit code ${code}`;
    print(JSON.stringify({ bench: bench.name, error }));
  }
  return good;
}

/** Runs a bench in a process of its own, so that none disturbs the next. */
export async function startProcess(bench: Bench): Promise<Outcome> {
  const module = new URL(bench.module, import.meta.url).href;
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", module, bench.name],
    env: { NO_COLOR: "1" },
    signal: AbortSignal.timeout(TIMEOUT_MS),
  }).output();
  const decoder = new TextDecoder();
  const said = decoder.decode(stderr).trim();
  const reason = said.split("\n").find((line) => /error/i.test(line)) ?? said.split("\n").at(-1);
  return { code, stdout: decoder.decode(stdout), reason: reason ?? "" };
}
