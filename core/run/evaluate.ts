import { isOneHot, readDataset, slotOf } from "../data/mod.ts";
import type { Dataset, Feed } from "../data/mod.ts";
import { byteCount, elementCount } from "../onnx/mod.ts";
import type { DType, Fact, Graph, Tensor } from "../onnx/mod.ts";
import { Runtime } from "../runtime/mod.ts";
import type { Session } from "../runtime/mod.ts";
import {
  accuracyKind,
  appendLoss,
  countCorrect,
  LABELS,
  labelsFor,
  SCALE,
} from "../training/mod.ts";
import type { Labels, LossConfig } from "../training/mod.ts";
import { assemble } from "../training/mod.ts";
import { numbers, writeModel } from "../onnx/mod.ts";
import { RavnError } from "../error.ts";
import { readConfig } from "./config.ts";
import { readModelFile } from "./model_file.ts";
import { exists } from "./node_data.ts";
import type { EvalReport, EvalRequest, Inputs } from "./requests.ts";

/** A model file in ONNX Runtime, with the data that it is to be run over. */
export interface ModelOverData extends Disposable {
  readonly graph: Graph;
  readonly session: Session;
  readonly dataset: Dataset;
  readonly count: number;
  /** Feeds of the model's inputs for samples `start` to `start + samples`. */
  inputs(start: number, samples: number): Map<string, Tensor>;
}

/** Loads a model and a data set that fits its inputs. */
export async function openModel(
  runtime: Runtime,
  model: string,
  files: { readonly inputs: Inputs; readonly labels?: Inputs | undefined },
): Promise<ModelOverData> {
  const { bytes, graph } = await readModelFile(model);
  const dataset = await readDataset(files);
  const feeds = dataset.inputFeeds(graph.inputs.map(slotOf));
  const session = await runtime.session(bytes);
  return {
    graph,
    session,
    dataset,
    count: dataset.count,
    inputs: (start, samples) =>
      new Map(feeds.map((feed) => [feed.name, gathered(feed, start, samples)])),
    [Symbol.dispose]: () => session[Symbol.dispose](),
  };
}

function gathered(feed: Feed, start: number, samples: number): Tensor {
  const dims = [samples, ...feed.dims];
  const bytes = new Uint8Array(byteCount(feed.dtype, dims));
  feed.gather(Uint32Array.from({ length: samples }, (_, i) => start + i), bytes);
  return { dtype: feed.dtype, dims, bytes };
}

interface EvaluationData {
  readonly inputs: Inputs;
  readonly labels: Inputs | undefined;
  readonly loss: LossConfig | undefined;
}

/** What the request names, or the validation set of `ravn.yaml`. */
async function evaluationData(request: EvalRequest): Promise<EvaluationData> {
  const file = request.config ?? "ravn.yaml";
  const config = request.config !== undefined || await exists(file)
    ? await readConfig(file, request.set)
    : undefined;
  if (request.inputs !== undefined) {
    return { inputs: request.inputs, labels: request.labels, loss: config?.loss };
  }
  const validation = config?.data.validation;
  if (validation === undefined) {
    throw new RavnError(
      `no data to evaluate on: name it with --data and --labels, or in data.validation of ${file}`,
    );
  }
  return { inputs: validation.inputs, labels: validation.labels, loss: config?.loss };
}

/** Runs a model over labelled data in ONNX Runtime and counts. */
export async function evaluate(request: EvalRequest): Promise<EvalReport> {
  const data = await evaluationData(request);
  using runtime = Runtime.open();
  using model = await openModel(runtime, request.model, data);
  const name = model.graph.outputs[0]!.name;
  const totals = { samples: 0, loss: 0, correct: 0, rows: 0 };
  using judges = new DisposableStack();
  let judge: Judge | undefined;
  for (let start = 0; start < model.count; start += request.batch) {
    const samples = Math.min(request.batch, model.count - start);
    const output = (await model.session.run(model.inputs(start, samples))).get(name)!;
    totals.samples += samples;
    if (data.labels === undefined) continue;
    judge ??= judges.use(await Judge.open(runtime, model, output, data.loss ?? FORM));
    await judge.count(output, start, samples, totals);
  }
  return {
    samples: totals.samples,
    ...(judge !== undefined && data.loss !== undefined
      ? { loss: totals.loss / totals.samples }
      : {}),
    ...(totals.rows > 0 ? { accuracy: totals.correct / totals.rows * 100 } : {}),
  };
}

/** Without a configuration only the form of the labels matters, and this loss takes any. */
const FORM: LossConfig = { type: "mse" };

interface Totals {
  loss: number;
  correct: number;
  rows: number;
}

/** Compares outputs with labels. */
class Judge implements Disposable {
  readonly #feed: Feed;
  readonly #session: Session;
  readonly #lossName: string;
  readonly #kind: ReturnType<typeof accuracyKind>;
  readonly #output: string;

  private constructor(
    feed: Feed,
    session: Session,
    names: { readonly loss: string; readonly output: string },
    kind: ReturnType<typeof accuracyKind>,
  ) {
    this.#feed = feed;
    this.#session = session;
    this.#lossName = names.loss;
    this.#output = names.output;
    this.#kind = kind;
  }

  static async open(
    runtime: Runtime,
    model: ModelOverData,
    example: Tensor,
    loss: LossConfig,
  ): Promise<Judge> {
    const name = model.graph.outputs[0]!.name;
    const fact: Fact = { dtype: example.dtype, dims: [{ perSample: 1 }, ...example.dims.slice(1)] };
    if (loss.type === "output") throw new RavnError("the loss is an output of the model itself");
    const column = [...model.dataset.labels.values()][0]!;
    const labels = labelsFor(loss, { name, fact }, column);
    const dims = labels.dims.slice(1).map((dim) => typeof dim === "number" ? dim : undefined);
    const feed = model.dataset.labelFeeds([{ name: LABELS, dtype: labels.dtype, dims }])[0]!;
    const graph = lossGraph(loss, name, fact, labels);
    const session = await runtime.session(writeModel(graph));
    const names = { loss: graph.outputs[0]!.name, output: name };
    return new Judge(
      feed,
      session,
      names,
      accuracyKind(fact, { ...labels, oneHot: isOneHot(column) }),
    );
  }

  async count(output: Tensor, start: number, samples: number, totals: Totals): Promise<void> {
    const labels = gathered(this.#feed, start, samples);
    const results = await this.#session.run(new Map([[this.#output, output], [LABELS, labels]]));
    totals.loss += numbers(results.get(this.#lossName)!)[0]! * samples;
    if (this.#kind === undefined) return;
    const classes = output.dims.at(-1)!;
    totals.correct += countCorrect(numbers(output), numbers(labels), this.#kind, classes);
    totals.rows += elementCount(output.dims) / classes;
  }

  [Symbol.dispose](): void {
    this.#session[Symbol.dispose]();
  }
}

function lossGraph(
  loss: Exclude<LossConfig, { type: "output" }>,
  name: string,
  fact: Fact,
  labels: Labels,
): Graph {
  const opset = 17;
  const appended = appendLoss({
    loss,
    output: { name, fact },
    labels: { name: LABELS, dtype: labels.dtype, dims: labels.dims },
    scale: SCALE,
    opset,
  });
  const port = (value: string, dtype: DType, dims: Fact["dims"]) => ({
    value,
    dtype,
    dims: [...dims],
  });
  return assemble(
    "loss",
    [appended],
    [port(name, fact.dtype, fact.dims), port(LABELS, labels.dtype, labels.dims)],
    [{ port: port(appended.loss, "float32", []), from: appended.loss }],
    new Map([["", opset]]),
  );
}
