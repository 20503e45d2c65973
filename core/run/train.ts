import { dirname, join } from "node:path";
import { RavnError } from "../error.ts";
import { readConfig } from "./config.ts";
import type { Config } from "./config.ts";
import { evaluate } from "./evaluate.ts";
import type { RunHost } from "./events.ts";
import { fuse, readPlan } from "./fuse.ts";
import { exists, NodeData } from "./node_data.ts";
import { PlanMetrics } from "./plan_metrics.ts";
import { PlanTraffic } from "./plan_traffic.ts";
import { checkPlannedModel } from "./planned_model.ts";
import { ProviderProcess } from "./provider_process.ts";
import type { ProviderFailure } from "./provider_process.ts";
import type { TrainReport, TrainRequest } from "./requests.ts";
import { trainSingle } from "./train_single.ts";

/** Providers that are linked to one that failed end by themselves; the others are stopped then. */
const OTHERS_END_MS = 3_000;

/**
 * Trains all stages of the plan as processes of this machine, or the unsplit model in this process;
 * joins the stages where the configuration says to save.
 */
export async function train(request: TrainRequest, host: RunHost): Promise<TrainReport> {
  const file = request.config ?? "ravn.yaml";
  const config = await readConfig(file, request.set);
  const out = join(dirname(file), "trained");
  if (config.save) await checkFree(out, request.force);
  const trained = request.single
    ? await trainSingle({ request, config, home: dirname(file), out, host })
    : await trainPlan({ request, config, home: dirname(file), out, host });
  const model = trained[0];
  if (
    model === undefined || config.data.validation === undefined || config.loss.type === "output"
  ) {
    return { trained };
  }
  const metrics = await evaluate({
    model,
    config: file,
    set: request.set,
    batch: config.batch_size,
  });
  return { trained, metrics };
}

/** Finds out before the training, not after it, that its result would have no place. */
async function checkFree(out: string, force: boolean): Promise<void> {
  const file = join(out, "trained.onnx");
  if (force || !await exists(file)) return;
  throw new RavnError(`${file} is there already; give --force to train anew and replace it`);
}

/** A training run of this machine. */
export interface LocalTraining {
  readonly request: TrainRequest;
  readonly config: Config;
  /** Folder of `ravn.yaml`. */
  readonly home: string;
  /** Folder for the trained model. */
  readonly out: string;
  readonly host: RunHost;
}

/** Waits until all providers have ended; where one fails, so do the others. */
async function firstFailure(
  providers: readonly ProviderProcess[],
  signal: AbortSignal,
): Promise<ProviderFailure | undefined> {
  let first: ProviderFailure | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const stop = () => providers.forEach((provider) => provider.stop());
  signal.addEventListener("abort", stop);
  await Promise.all(providers.map(async ({ done }) => {
    const failure = await done;
    if (failure === undefined || first !== undefined) return;
    first = failure;
    timer = setTimeout(stop, OTHERS_END_MS);
  }));
  clearTimeout(timer);
  signal.removeEventListener("abort", stop);
  return first;
}

async function trainPlan({ request, config, home, out, host }: LocalTraining): Promise<string[]> {
  const data = new NodeData(home);
  const plan = await readPlan(data);
  await checkPlannedModel(data, config.model);
  const arguments_ = [
    ...(request.config === undefined ? [] : ["--config", request.config]),
    ...(request.threads === undefined ? [] : ["--threads", String(request.threads)]),
    ...(request.device === undefined ? [] : ["--device", request.device]),
    ...request.set.flatMap(([key, value]) => ["--set", `${key}=${value}`]),
    ...(request.force ? ["--force"] : []),
    ...(request.trace ? ["--trace"] : []),
  ];
  const traffic = new PlanTraffic();
  const gathered = traffic.gather(host);
  const metrics = await PlanMetrics.begin(plan, home);
  const providers = plan.clusters.flatMap(({ id, stages }) => {
    const watched = metrics.watch(id, gathered);
    return stages.map(({ name }) => new ProviderProcess(name, arguments_, watched));
  });
  const failure = await firstFailure(providers, host.signal);
  await metrics.join(host);
  if (host.signal.aborted) throw new RavnError("stopped by the user", { exitCode: 130 });
  if (failure !== undefined) {
    throw new RavnError(failure.message, { exitCode: failure.exitCode });
  }
  traffic.tell(plan, host);
  if (!config.save) return [];
  const files: string[] = [];
  for (const { id } of plan.clusters) {
    const folder = id === 0 ? out : join(out, `cluster_${id}`);
    const report = await fuse({ cluster: id, out: folder, force: request.force }, home);
    files.push(...report.files);
  }
  return files;
}
