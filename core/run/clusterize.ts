import { labelShapes, readWhole } from "../data/mod.ts";
import type { Graph } from "../onnx/mod.ts";
import {
  makePlan,
  parseAssignment,
  parseNodeConfigs,
  planLog,
  planTable,
} from "../planning/mod.ts";
import type { Plan } from "../planning/mod.ts";
import { Runtime } from "../runtime/mod.ts";
import {
  buildPrograms,
  checkGroups,
  labelsFor,
  lossTerms,
  masksFor,
  modelTensors,
  optimizerSlots,
  withSharedParameters,
} from "../training/mod.ts";
import type { LabelForm, ProgramInput, StageProgram } from "../training/mod.ts";
import { dirname } from "node:path";
import { calibrate } from "./calibrate.ts";
import type { Calibration } from "./calibrate.ts";
import { microBatchesOf, readConfig } from "./config.ts";
import type { Config } from "./config.ts";
import { labelColumn } from "./label_column.ts";
import { inModelFile, loadModel, sizesOfData } from "./model_file.ts";
import type { LoadedModel } from "./model_file.ts";
import { NodeData } from "./node_data.ts";
import { checkReplaceable, writePlan } from "./plan_files.ts";
import type { RunHost } from "./events.ts";
import { timeFormulations } from "./formulation_times.ts";
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
  const file = request.config ?? "ravn.yaml";
  const config = await readConfig(file);
  const data = new NodeData(dirname(file));
  const batch = request.batch ?? config.batch_size;
  using runtime = Runtime.open(config.threads === "auto" ? {} : { threads: config.threads });
  const text = new TextDecoder().decode(await readWhole(request.nodes));
  const nodes = parseNodeConfigs(text, request.nodes);
  const model = await modelOf(request, config, runtime);
  const { trainable } = modelTensors(model.graph, config.freeze);
  checkGroups(config.optimizer, model.graph);
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
    trainable: new Set(trainable),
    ...(clusters === undefined ? {} : { clusters }),
  });
  const formulations = await inModelFile(model.file, () =>
    timeFormulations({
      runtime,
      ...model,
      batch: Math.ceil(batch / microBatches),
      // What is fastest on this processor says nothing of another device.
      ...(config.device === "cpu" ? { cache: data.formulations } : {}),
      ...(request.dryRun || config.device !== "cpu" ? { budget_ms: 0 } : {}),
      say: (message) => host?.emit({ event: "log", message }),
    }));
  const programs = await programsOf(plan, config, {
    model,
    batch,
    threads: runtime.threads,
    choose: formulations.choose,
  });
  const report = reportOf(plan);
  if (request.dryRun) return report;
  await checkReplaceable(data, request.force);
  await calibration?.save();
  await formulations.save();
  const files = await writePlan({ data, plan, programs, model: model.bytes, config });
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

/** The model in the sizes of the training data, with one home for every shared parameter. */
async function modelOf(
  request: ClusterizeRequest,
  config: Config,
  { evaluate }: Runtime,
): Promise<LoadedModel> {
  const file = request.model ?? config.model;
  const sizes = (graph: Graph) => sizesOfData(graph, config.data.train);
  const model = await loadModel(file, evaluate, sizes);
  return await inModelFile(file, () => {
    const { trainable } = modelTensors(model.graph, config.freeze);
    return { ...model, ...withSharedParameters(model.graph, model.facts, trainable) };
  });
}

/**
 * The forms in which the losses take the labels of the training data, in their order.
 *
 * @throws {RavnError} where labels do not fit, or it is not said which ones a loss takes
 */
export async function labelsOf(
  { loss, data }: Config,
  { graph, facts }: LoadedModel,
): Promise<(LabelForm | undefined)[]> {
  const terms = lossTerms(loss);
  if (terms.every((term) => term.loss.type === "output")) return terms.map(() => undefined);
  const shapes = await labelShapes(data.train);
  return terms.map(({ loss, output, labels }) => {
    if (loss.type === "output" || shapes.size === 0) return undefined;
    const column = labelColumn([...shapes.keys()], loss.type, labels);
    const shape = shapes.get(column)!;
    const name = output ?? graph.outputs[0]!.name;
    const fact = facts.get(name);
    // An unknown output is told of where the losses are put together.
    if (fact === undefined) return undefined;
    const form = labelsFor(loss, { name, fact }, shape);
    return { ...form, oneHot: shape.oneHot, ...(column === "" ? {} : { column }) };
  });
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
  const { freeze } = config;
  const kept = cache === undefined ? {} : { cache };
  return calibrate({ runtime, graph, facts, batch, freeze, ...kept });
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
