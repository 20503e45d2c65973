import { makePlan, planLog, planTable } from "../planning/mod.ts";
import type { Plan } from "../planning/mod.ts";
import { splitsBackward } from "../pipeline/mod.ts";
import { buildPrograms, masksFor } from "../training/mod.ts";
import type { ProgramInput, StageProgram } from "../training/mod.ts";
import type { Config } from "./config.ts";
import type { RunHost } from "./events.ts";
import { explanationOf } from "./explain.ts";
import { inModelFile } from "./model_file.ts";
import type { LoadedModel } from "./model_file.ts";
import { checkReplaceable, writePlan } from "./plan_files.ts";
import { labelsOf, preparePlan } from "./prepare_plan.ts";
import type { ClusterizeReport, ClusterizeRequest } from "./requests.ts";

/**
 * Plans a run: groups nodes into clusters, cuts the model, and writes what each node needs into
 * `node_data/`. Nothing is written before everything is known to work.
 *
 * @throws {RavnError} where an input is wrong, or trained work would be lost without `force`
 */
export async function clusterize(
  request: ClusterizeRequest,
  host?: RunHost,
): Promise<ClusterizeReport> {
  using ready = await preparePlan(request, host);
  const { config, data, model, input, batch, threads, formulations, calibration } = ready;
  const plan = makePlan(input);
  const { choose } = formulations;
  const programs = await programsOf(plan, config, { model, batch, threads, choose });
  const report = {
    ...reportOf(plan),
    ...(request.explain ? { explanation: explanationOf(ready, plan) } : {}),
  };
  if (request.dryRun) return report;
  await checkReplaceable(data, request.force);
  await calibration?.save();
  await formulations.save();
  const files = await writePlan({ data, plan, programs, model, config });
  return { ...report, files };
}

/** The programs of the stages of each cluster. */
async function programsOf(
  { clusters }: Plan,
  config: Config,
  { model, batch, ...timed }:
    & { readonly model: LoadedModel; readonly batch: number }
    & Pick<ProgramInput, "threads" | "choose">,
): Promise<StageProgram[][]> {
  const labels = await labelsOf(config, model);
  return await inModelFile(model.file, () =>
    clusters.map(({ stages }) =>
      buildPrograms({
        graph: model.graph,
        facts: model.facts,
        stages: stages.map(({ operators }) => operators),
        recompute: stages.map(({ recompute }) => recompute),
        splitBackward: splitsBackward({ schedule: config.schedule, stages: stages.length }),
        batch,
        loss: config.loss,
        labels,
        freeze: config.freeze,
        labelsFrom: config.labels,
        maskAs: masksFor(config.device),
        ...timed,
      })
    ));
}

/** A plan as the command line shows it. */
export function reportOf(plan: Plan): ClusterizeReport {
  const nodes = plan.clusters.flatMap(({ stages }) => stages.map(({ name }) => name));
  return { log: planLog(plan), table: planTable(plan), plan, nodes, files: [] };
}
