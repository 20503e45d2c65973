/**
 * The most memory that a process takes which trains a network, against one that does so in PyTorch.
 * The argument names the bench, as in `memory/gpt`; with `--child` the process is the one measured.
 */
import { fileURLToPath } from "node:url";
import { Runtime } from "../core/runtime/mod.ts";
import { report } from "./interleave.ts";
import { Peer } from "./peer.ts";
import { openProblem, STEP_PROBLEMS, stepper } from "./step_problems.ts";

/** On both sides. */
const THREADS = Number(Deno.env.get("RAVN_BENCH_THREADS") ?? 2);
const STEPS = 5;
const MIB = 2 ** 20;

/** Trains a few steps and prints the peak of this process in bytes. */
async function child(network: string): Promise<void> {
  const problem = STEP_PROBLEMS[network]!;
  await using stage = await openProblem(Runtime.open({ threads: THREADS }), problem);
  const step = stepper(stage, problem.batch);
  for (let i = 0; i < STEPS; i++) await step();
  const peak = /VmHWM:\s+(\d+) kB/.exec(await Deno.readTextFile("/proc/self/status"));
  // deno-lint-ignore no-console
  console.log(Number(peak?.[1]) * 1024);
}

async function main(bench: string): Promise<void> {
  const network = bench.slice("memory/".length);
  if (STEP_PROBLEMS[network] === undefined) throw new Error(`no network "${network}" here`);
  if (Deno.build.os !== "linux") return report({ bench, skipped: "peaks are read from /proc" });
  const script = new URL("memory.py", import.meta.url);
  const peer = await Peer.start(script, [THREADS, STEPS, network]);
  if ("skipped" in peer) return report({ bench, skipped: peer.skipped });
  await using _ended = peer;
  const theirs = await peer.run() / MIB;
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", fileURLToPath(import.meta.url), "--child", network],
  }).output();
  const decoder = new TextDecoder();
  if (code !== 0) throw new Error(decoder.decode(stderr));
  const ours = Number(decoder.decode(stdout)) / MIB;
  report({ bench, ratio: ours / theirs, ours, peer: theirs, peer_name: peer.name, unit: "MiB" });
}

if (import.meta.main) {
  const [first = "memory/gpt", network] = Deno.args;
  if (first === "--child") await child(network!);
  else await main(first);
}
