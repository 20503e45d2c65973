import { dirname } from "node:path";
import { openPool, readDataset, SampleReader, slotOf } from "../data/mod.ts";
import type { DataFiles, Dataset, Feed } from "../data/mod.ts";
import { byteCount } from "../onnx/mod.ts";
import type { Graph, Tensor } from "../onnx/mod.ts";
import { Runtime } from "../runtime/mod.ts";
import type { Session } from "../runtime/mod.ts";
import type { Correct, LossConfig } from "../training/mod.ts";
import { RavnError } from "../error.ts";
import { readConfig } from "./config.ts";
import { Judge } from "./judge.ts";
import { readModelFile } from "./model_file.ts";
import { exists, NodeData } from "./node_data.ts";
import type { EvalReport, EvalRequest } from "./requests.ts";

/** A model file in ONNX Runtime, with the data that it is to be run over. */
export interface ModelOverData extends Disposable {
  readonly graph: Graph;
  readonly session: Session;
  readonly dataset: Dataset;
  readonly count: number;
  /** Feeds of the model's inputs for samples `start` to `start + samples`. */
  inputs(start: number, samples: number): Promise<Map<string, Tensor>>;
  /** The labels of the samples whose inputs were given last, as the feed takes them. */
  labels(feed: Feed, start: number, samples: number): Tensor;
}

/** The data that a model is run over. */
export interface EvaluationData {
  readonly files: DataFiles;
  /** The data that class numbers come from. */
  readonly training?: DataFiles | undefined;
  /** Folder in which the tokens of text are kept; nowhere if absent. */
  readonly tokens?: string | undefined;
}

/** Loads a model and a data set that fits its inputs. */
export async function openModel(
  runtime: Runtime,
  model: string,
  { files, training, tokens }: EvaluationData,
): Promise<ModelOverData> {
  const { bytes, graph } = await readModelFile(model);
  const warn = () => {};
  const kept = tokens === undefined ? undefined : { folder: tokens, warn };
  const dataset = await readDataset(files, training, { tokens: kept });
  const feeds = dataset.inputFeeds(graph.inputs.map(slotOf));
  const session = await runtime.session(bytes);
  const pool = openPool(0);
  const options = { dataset, seed: 0, shuffle: false, anew: false, pool: () => pool, warn };
  const made = dataset.made?.labels ?? [];
  const labels = made.length === 0
    ? []
    : dataset.labelFeeds(made.map(({ name, dims }) => ({ name, dtype: "int64", dims })));
  const reader = new SampleReader({ ...options, feeds: [...feeds, ...labels], stream: 0 });
  const taken = (feed: Feed, start: number, samples: number): Tensor => {
    const dims = [samples, ...feed.dims];
    const bytes = new Uint8Array(byteCount(feed.dtype, dims));
    reader.take(feed, { epoch: 0, start, samples }, bytes);
    return { dtype: feed.dtype, dims, bytes };
  };
  return {
    graph,
    session,
    dataset,
    count: dataset.count,
    async inputs(start, samples) {
      await reader.ready({ epoch: 0, start, samples });
      return new Map(feeds.map((feed) => [feed.name, taken(feed, start, samples)]));
    },
    labels: taken,
    [Symbol.dispose]: () => session[Symbol.dispose](),
  };
}

/** What the request names, or the validation set of `ravn.yaml`. */
async function evaluationData(
  request: EvalRequest,
): Promise<EvaluationData & { readonly loss: LossConfig | undefined }> {
  const file = request.config ?? "ravn.yaml";
  const config = request.config !== undefined || await exists(file)
    ? await readConfig(file, request.set)
    : undefined;
  if (request.inputs !== undefined) {
    return { files: { inputs: request.inputs, labels: request.labels }, loss: config?.loss };
  }
  const validation = config?.data.validation;
  if (validation === undefined) {
    throw new RavnError(
      `no data to evaluate on: name it with --data and --labels, or in data.validation of ${file}`,
    );
  }
  const { root, tokens } = new NodeData(dirname(file));
  return {
    files: validation,
    training: config?.data.train,
    loss: config?.loss,
    ...(await exists(root) ? { tokens } : {}),
  };
}

/** Runs a model over labelled data in ONNX Runtime and counts. */
export async function evaluate(request: EvalRequest): Promise<EvalReport> {
  const data = await evaluationData(request);
  using runtime = Runtime.open();
  using model = await openModel(runtime, request.model, data);
  using opened = new DisposableStack();
  let judges: readonly Judge[] | undefined;
  for (let start = 0; start < model.count; start += request.batch) {
    const samples = Math.min(request.batch, model.count - start);
    const outputs = await model.session.run(await model.inputs(start, samples));
    if (!isLabelled(model.dataset)) continue;
    judges ??= (await Judge.open(runtime, model.dataset, outputs, data.loss ?? FORM))
      .map((judge) => opened.use(judge));
    for (const judge of judges) {
      await judge.count(outputs, model.labels(judge.feed, start, samples));
    }
  }
  const judge = classJudge(judges ?? []);
  const accuracy = percent(judge?.right);
  const sequenceAccuracy = percent(judge?.sequences);
  return {
    samples: model.count,
    ...(judges !== undefined && data.loss !== undefined
      ? { loss: judges.reduce((sum, { loss }) => sum + loss, 0) }
      : {}),
    ...(accuracy === undefined ? {} : { accuracy }),
    ...(sequenceAccuracy === undefined ? {} : { sequenceAccuracy }),
  };
}

/** The judge whose accuracy is told: the first cross entropy, or the first classes at all. */
function classJudge(judges: readonly Judge[]): Judge | undefined {
  const able = judges.filter(({ right }) => right !== undefined);
  return able.find(({ isCrossEntropy }) => isCrossEntropy) ?? able[0];
}

function percent(counted: Correct | undefined): number | undefined {
  if (counted === undefined || counted.rows === 0) return undefined;
  return counted.correct / counted.rows * 100;
}

function isLabelled({ labels, made }: Dataset): boolean {
  return labels.size > 0 || (made?.labels.length ?? 0) > 0;
}

/** Without a configuration only the form of the labels matters, and this loss takes any. */
const FORM: LossConfig = { type: "mse" };
