import { isOneHot, readColumn, readWhole } from "../data/mod.ts";
import { RavnError } from "../error.ts";
import {
  makePlan,
  parseAssignment,
  parseNodeConfigs,
  planLog,
  planTable,
} from "../planning/mod.ts";
import type { Plan } from "../planning/mod.ts";
import { Runtime } from "../runtime/mod.ts";
import { buildPrograms, labelsFor, masksFor, optimizerSlots } from "../training/mod.ts";
import type { LabelForm } from "../training/mod.ts";
import { dirname } from "node:path";
import { calibrate } from "./calibrate.ts";
import type { Calibration } from "./calibrate.ts";
import { microBatchesOf, readConfig } from "./config.ts";
import type { Config } from "./config.ts";
import { inModelFile, loadModel } from "./model_file.ts";
import type { LoadedModel } from "./model_file.ts";
import { NodeData } from "./node_data.ts";
import { checkReplaceable, writePlan } from "./plan_files.ts";
import type { ClusterizeReport, ClusterizeRequest } from "./requests.ts";

/**
 * Plans a run: groups nodes into clusters, cuts the model, and writes what each node needs into
 * `node_data/`. Nothing is written before everything is known to work.
 *
 * @throws {RavnError} where an input is wrong, or trained work would be lost without `force`
 */
export async function clusterize(request: ClusterizeRequest): Promise<ClusterizeReport> {
  const file = request.config ?? "ravn.yaml";
  const config = await readConfig(file);
  const data = new NodeData(dirname(file));
  const batch = request.batch ?? config.batch_size;
  using runtime = Runtime.open(config.threads === "auto" ? {} : { threads: config.threads });
  const text = new TextDecoder().decode(await readWhole(request.nodes));
  const nodes = parseNodeConfigs(text, request.nodes);
  const model = await loadModel(request.model ?? config.model, runtime.evaluate, batch);
  const labels = await labelsOf(config, model);
  const microBatches = microBatchesOf(config);
  const clusters = clustersOf(request.clusters, nodes.length);
  const calibration = await inModelFile(model.file, () =>
    calibrationOf(request, config, {
      runtime,
      model,
      batch: Math.ceil(batch / microBatches),
      ...(request.dryRun ? {} : { cache: data.calibration }),
    }));
  const plan = makePlan({
    graph: model.graph,
    facts: model.facts,
    model: { file: model.file, sha256: await sha256(model.bytes) },
    ...(calibration === undefined ? {} : { times: calibration.times }),
    nodes,
    nodes_file: request.nodes,
    batch_size: batch,
    micro_batches: microBatches,
    seed: request.seed ?? config.seed,
    split: request.split ?? config.split,
    schedule: config.schedule,
    in_flight: request.inFlight ?? config.in_flight,
    recompute: request.recompute ?? config.recompute,
    optimizer_slots: optimizerSlots(config.optimizer).length,
    ...(clusters === undefined ? {} : { clusters }),
  });
  const programs = await inModelFile(
    model.file,
    () =>
      plan.clusters.map(({ stages }) =>
        buildPrograms({
          graph: model.graph,
          facts: model.facts,
          stages: stages.map(({ operators }) => operators),
          recompute: stages.map(({ recompute }) => recompute),
          batch,
          loss: config.loss,
          ...(labels === undefined ? {} : { labels }),
          labelsFrom: config.labels,
          maskAs: masksFor(config.device),
        })
      ),
  );
  const report = reportOf(plan);
  if (request.dryRun) return report;
  await checkReplaceable(data, request.force);
  await calibration?.save();
  const files = await writePlan({ data, plan, programs, model: model.bytes, config });
  return { ...report, files };
}

/** The form in which the loss takes the labels of the training data. */
export async function labelsOf(config: Config, model: LoadedModel): Promise<LabelForm | undefined> {
  const { loss, data } = config;
  if (loss.type === "output" || data.train.labels === undefined) return undefined;
  const source = typeof data.train.labels === "string"
    ? data.train.labels
    : Object.values(data.train.labels)[0];
  if (source === undefined) throw new RavnError("data.train.labels names no file");
  const column = await readColumn(source);
  const name = model.graph.outputs[0]!.name;
  const labels = labelsFor(loss, { name, fact: model.facts.get(name)! }, column);
  return { ...labels, oneHot: isOneHot(column) };
}

/** Measured times, where the split goes by time. */
function calibrationOf(
  request: ClusterizeRequest,
  config: Config,
  o: {
    readonly runtime: Runtime;
    readonly model: LoadedModel;
    readonly batch: number;
    readonly cache?: string;
  },
): Promise<Calibration> | undefined {
  if ((request.split ?? config.split) !== "time") return undefined;
  const { runtime, model, batch, cache } = o;
  const { graph, facts } = model;
  return calibrate({ runtime, graph, facts, batch, ...(cache === undefined ? {} : { cache }) });
}

/** SHA-256 in hex. */
export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

function reportOf(plan: Plan): ClusterizeReport {
  const nodes = plan.clusters.flatMap(({ stages }) => stages.map(({ name }) => name));
  return { log: planLog(plan), table: planTable(plan), plan, nodes, files: [] };
}

function clustersOf(
  clusters: ClusterizeRequest["clusters"],
  nodes: number,
): number | number[][] | undefined {
  return typeof clusters === "string" ? parseAssignment(clusters, nodes) : clusters;
}
