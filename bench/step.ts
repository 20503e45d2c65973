/**
 * A whole training step (forward, loss, backward, Adam) against PyTorch's on as many threads, from
 * the same shapes. The argument names the bench.
 */
import { Runtime } from "../core/runtime/mod.ts";
import { interleave, millisecondsOf, report } from "./interleave.ts";
import { Peer } from "./peer.ts";
import { openProblem, STEP_PROBLEMS, stepper } from "./step_problems.ts";

/** On both sides. */
const THREADS = Number(Deno.env.get("RAVN_BENCH_THREADS") ?? 2);

async function main(bench: string): Promise<void> {
  const network = bench.slice("step/".length);
  const problem = STEP_PROBLEMS[network];
  if (problem === undefined) throw new Error(`no network "${network}" in this bench`);
  const { batch, repeats } = problem;
  const script = new URL("step.py", import.meta.url);
  const peer = await Peer.start(script, [THREADS, repeats, network]);
  if ("skipped" in peer) return report({ bench, skipped: peer.skipped });
  await using _ended = peer;
  await using stage = await openProblem(Runtime.open({ threads: THREADS }), problem);
  const step = stepper(stage, batch);
  const found = await interleave(() => millisecondsOf(step, repeats), () => peer.run());
  report({ bench, ...found, peer_name: peer.name, unit: "ms" });
}

if (import.meta.main) await main(Deno.args[0] ?? "step/digits_cnn");
