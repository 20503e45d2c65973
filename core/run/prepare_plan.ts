import { dirname } from "node:path";
import { labelShapes, readWhole } from "../data/mod.ts";
import type { Graph } from "../onnx/mod.ts";
import { parseAssignment, parseNodeConfigs } from "../planning/mod.ts";
import type { NodeConfig, PlanInput } from "../planning/mod.ts";
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
import type { LabelForm, StageProgram } from "../training/mod.ts";
import { averagingCopies } from "./averaging_copies.ts";
import { reduceDelayOf } from "./averaging_schema.ts";
import { calibrate } from "./calibrate.ts";
import type { Calibration, CalibrationOptions } from "./calibrate.ts";
import { microBatchesOf, readConfig } from "./config.ts";
import type { Config } from "./config.ts";
import type { RunHost } from "./events.ts";
import { timeFormulations } from "./formulation_times.ts";
import type { FormulationTimes } from "./formulation_times.ts";
import { labelColumn } from "./label_column.ts";
import { isHere, withCores } from "./machine.ts";
import { inModelFile, loadModel, sizesOfData } from "./model_file.ts";
import type { LoadedModel } from "./model_file.ts";
import { identityOf } from "./planned_model.ts";
import { NodeData } from "./node_data.ts";
import type { ClusterizeRequest } from "./requests.ts";
import { nodesOnOneHost, timingThreads } from "./threads.ts";

/** Of a request to plan, what says what is to be planned. */
export type PlanningRequest = Omit<ClusterizeRequest, "force">;

/** Everything that a plan is made from. */
export interface Preparation extends Disposable {
  readonly config: Config;
  readonly data: NodeData;
  readonly model: LoadedModel;
  readonly input: PlanInput;
  readonly batch: number;
  readonly threads: number;
  readonly formulations: FormulationTimes;
  /** Absent where the split does not go by time. */
  readonly calibration?: Calibration | undefined;
}

/**
 * Reads the configuration, the nodes and the model, and measures the model on this machine.
 *
 * @throws {RavnError} where an input is wrong
 */
export async function preparePlan(
  request: PlanningRequest,
  host?: RunHost,
): Promise<Preparation> {
  const file = request.config ?? "ravn.yaml";
  const config = await readConfig(file);
  const data = new NodeData(dirname(file));
  const text = new TextDecoder().decode(await readWhole(request.nodes));
  const nodes = parseNodeConfigs(text, request.nodes);
  const runtime = openRuntime(config, nodes);
  try {
    const subject = await readSubject(request, config, runtime, host);
    const { model, batch, formulations } = subject;
    const split = request.split ?? config.split;
    const calibration = split === "time"
      ? await measure(subject, config, runtime, {
        cache: data.calibration,
        overheads: request.explain,
        stages_here: nodes.filter(({ address }) => isHere(address)).length,
      })
      : undefined;
    const clusters = clustersOf(request.clusters, nodes.length);
    const samples = await samplesOf(config, request.objective ?? "balance");
    const input: PlanInput = {
      graph: model.graph,
      facts: model.facts,
      model: await identityOf(model),
      ...(calibration === undefined ? {} : { times: calibration.times }),
      nodes: withCores(nodes),
      nodes_file: request.nodes,
      batch_size: batch,
      ...(samples === undefined ? {} : { samples }),
      micro_batches: microBatchesOf(config),
      seed: request.seed ?? config.seed,
      split,
      schedule: config.schedule,
      in_flight: request.inFlight ?? config.in_flight,
      recompute: request.recompute ?? config.recompute,
      objective: request.objective ?? "balance",
      update_frequency: config.update_frequency,
      reduce_every: config.reduce_every,
      reduce_delay: reduceDelayOf(config),
      averaging_copies: averagingCopies(config),
      optimizer_slots: optimizerSlots(config.optimizer).length,
      trainable: new Set(modelTensors(model.graph, config.freeze).trainable),
      ...(clusters === undefined ? {} : { clusters }),
    };
    const { threads } = runtime;
    return {
      ...{ config, data, model, input, batch, threads, formulations, calibration },
      [Symbol.dispose]: () => runtime[Symbol.dispose](),
    };
  } catch (thrown) {
    runtime[Symbol.dispose]();
    throw thrown;
  }
}

/** The runtime with as many threads as providers will have, where the process may choose. */
export function openRuntime({ threads }: Config, nodes: readonly NodeConfig[]): Runtime {
  if (threads !== "auto") return Runtime.open({ threads });
  const here = nodesOnOneHost(nodes.map(({ address }) => address));
  return Runtime.open({ threads: Runtime.threadsInUse ?? timingThreads(here) });
}

/** A model, and how its gradients are computed. */
export interface Subject {
  readonly model: LoadedModel;
  readonly batch: number;
  /** Samples of a micro-batch. */
  readonly micro: number;
  readonly formulations: FormulationTimes;
}

/** Reads the model and times the formulations of its gradients. */
export async function readSubject(
  request: Pick<PlanningRequest, "model" | "batch" | "config" | "dryRun">,
  config: Config,
  runtime: Runtime,
  host?: RunHost,
): Promise<Subject> {
  const model = await modelOf(request, config, runtime);
  checkGroups(config.optimizer, model.graph);
  const batch = request.batch ?? config.batch_size;
  const micro = Math.ceil(batch / microBatchesOf(config));
  const { formulations: cache } = new NodeData(dirname(request.config ?? "ravn.yaml"));
  const formulations = await inModelFile(model.file, () =>
    timeFormulations({
      runtime,
      ...model,
      batch: micro,
      // What is fastest on this processor says nothing of another device.
      ...(config.device === "cpu" ? { cache } : {}),
      ...(request.dryRun || config.device !== "cpu" ? { budget_ms: 0 } : {}),
      say: (message) => host?.emit({ event: "log", message }),
    }));
  return { model, batch, micro, formulations };
}

/** Measures the operators, the whole step and the overheads, if asked for, on this machine. */
export async function measure(
  { model, micro, formulations }: Subject,
  config: Config,
  runtime: Runtime,
  o: Pick<CalibrationOptions, "overheads" | "stages_here"> & { readonly cache: string },
): Promise<Calibration> {
  const { graph, facts } = model;
  const { freeze, loss, optimizer } = config;
  const labels = await labelsOf(config, model);
  const settings = JSON.stringify({ loss, labels: config.labels, freeze, type: optimizer.type });
  const programs = (stages: readonly (readonly string[])[]): StageProgram[] =>
    buildPrograms({
      graph,
      facts,
      stages,
      recompute: stages.map(() => false),
      batch: micro,
      loss,
      labels,
      freeze,
      labelsFrom: "root",
      maskAs: masksFor("cpu"),
      threads: runtime.threads,
      choose: formulations.choose,
    });
  const key = `${await sha256(model.bytes)}, batch ${micro}, ${settings}`;
  const whole = { key, optimizer, programs };
  return await inModelFile(
    model.file,
    () => calibrate({ runtime, graph, facts, batch: micro, freeze, whole, ...o }),
  );
}

/** The model in the sizes of the training data, with one home for every shared parameter. */
async function modelOf(
  request: Pick<PlanningRequest, "model">,
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

/** SHA-256 in hex. */
export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

/** Training samples, where the objective asks how often clusters average and the labels tell. */
async function samplesOf(
  { data, loss, reduce_every }: Config,
  objective: PlanInput["objective"],
): Promise<number | undefined> {
  if (objective !== "throughput" || reduce_every !== "epoch") return undefined;
  if (lossTerms(loss).every((term) => term.loss.type === "output")) return undefined;
  const [labels] = (await labelShapes(data.train)).values();
  return labels?.count;
}

function clustersOf(
  clusters: ClusterizeRequest["clusters"],
  nodes: number,
): number | number[][] | undefined {
  return typeof clusters === "string" ? parseAssignment(clusters, nodes) : clusters;
}
