import { codecOf } from "../compression/mod.ts";
import type { CodecConfig } from "../compression/mod.ts";
import { readWhole } from "../data/mod.ts";
import { diffPlans, explainPlan, makePlan, parsePlan } from "../planning/mod.ts";
import type { Explanation, Plan, PlanDiff } from "../planning/mod.ts";
import { codecKernels } from "../runtime/mod.ts";
import { reportOf } from "./clusterize.ts";
import type { RunHost } from "./events.ts";
import { preparePlan } from "./prepare_plan.ts";
import type { Preparation } from "./prepare_plan.ts";
import type { PlanReport, PlanRequest } from "./requests.ts";
import { automaticThreads, takesTurns } from "./threads.ts";

/**
 * Plans a run as `clusterize` does, but writes nothing, and tells how fast it is expected to be and
 * what would make it faster.
 *
 * @throws {RavnError} where an input is wrong
 */
export async function explain(request: PlanRequest, host?: RunHost): Promise<PlanReport> {
  using ready = await preparePlan({ ...request, dryRun: true, explain: true }, host);
  const plan = makePlan(ready.input);
  const diff = request.diff === undefined ? {} : { diff: await diffWith(request.diff, plan) };
  return { ...reportOf(plan), explanation: explanationOf(ready, plan), ...diff };
}

/** How fast a plan is expected to be, and what would make it faster. */
export function explanationOf(
  { config, input, calibration, threads }: Preparation,
  plan: Plan,
): Explanation {
  const { update_frequency, reduce_every, compression } = config;
  const turns = plan.clusters.some((cluster) =>
    takesTurns({ ...plan, ...cluster }, cluster.stages.length)
  );
  return explainPlan(input, plan, {
    update_frequency,
    overheads: calibration?.overheads,
    threads: {
      timed: threads,
      of: (share, cores) =>
        config.threads === "auto"
          ? automaticThreads({ share, takesTurns: turns, cores })
          : config.threads,
    },
    averages: reduce_every !== "never",
    packed: {
      activations: shareOf(compression.activations),
      gradients: shareOf(compression.gradients),
    },
  });
}

/** Elements of a large tensor, of which a codec's share is told. */
const MANY = 2 ** 20;

/** Share of its bytes that a tensor of floats takes on the way. */
function shareOf(codec: CodecConfig): number {
  return (codecOf(codec, codecKernels)?.byteLength(MANY) ?? 4 * MANY) / (4 * MANY);
}

async function diffWith(file: string, plan: Plan): Promise<PlanDiff> {
  const text = new TextDecoder().decode(await readWhole(file));
  return diffPlans(parsePlan(text, file), plan);
}
