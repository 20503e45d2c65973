import { trainingForm } from "../autodiff/mod.ts";
import type { Point, TrainingGraph } from "../autodiff/mod.ts";
import { RavnError } from "../error.ts";
import { dimsAt, elementCount, hasFreeSizes } from "../onnx/mod.ts";
import type { Facts, Graph, Tensor } from "../onnx/mod.ts";
import type { Random } from "../random.ts";
import type { Runtime } from "../runtime/mod.ts";
import { modelTensors } from "../training/mod.ts";
import { EFFORTS } from "./gradient_probe.ts";
import type { Effort, MakeGradient } from "./gradient_probe.ts";
import { loadModel, readModelFile } from "./model_file.ts";
import type { LoadedModel } from "./model_file.ts";
import type { VerifyRequest } from "./requests.ts";
import { dropoutMasks, exampleInputs, jittered, madeUpInputs } from "./verify_point.ts";

/** Sizes that are tried for a free dimension of which nothing is known. */
const SIZES = [8, 16, 4, 32, 64, 224];

/** Models of more parameters than this are looked at with less effort. */
const LARGE = 2 ** 23;

/** Samples at a time, of a model that is not large. */
const SAMPLES_MAX = 4;

/** Elements of all values of a forward pass together, to which large models are held. */
const ELEMENTS_MAX = 2 ** 24;

/** A model at a point, in training form. */
export interface Subject {
  readonly runtime: Runtime;
  readonly training: TrainingGraph;
  /** Values of inputs, masks and parameters. */
  readonly point: Point;
  readonly parameters: readonly string[];
  readonly batch: number;
  readonly random: Random;
  readonly tolerance: number;
  readonly makeGradient: MakeGradient;
  readonly effort: Effort;
}

/**
 * Loads a model and chooses the point at which it is looked at.
 *
 * @throws {RavnError} where the model cannot be run, or the data do not fit it
 */
export async function subjectOf(
  runtime: Runtime,
  request: VerifyRequest,
  o: { readonly random: Random; readonly makeGradient: MakeGradient },
): Promise<Subject> {
  const { graph: asRead } = await readModelFile(request.model);
  const examples = request.inputs === undefined
    ? undefined
    : await exampleInputs(asRead, request.inputs, request.batch ?? SAMPLES_MAX);
  const known = {
    ...(examples === undefined ? {} : { inputs: examples }),
    ...(request.sizes === undefined ? {} : { sizes: request.sizes }),
  };
  const { graph, facts } = await loadAtSomeSize(runtime, request, asRead, known);
  const { trainable } = modelTensors(graph);
  const training = trainingForm(graph, facts, { statistics: true, maskAs: "input" });
  const batch = examples?.values().next().value?.dims[0] ?? request.batch ??
    samplesFor(graph, facts);
  const inputs = examples ?? madeUpInputs(graph, facts, batch, o.random.fork("inputs"));
  const weights = trainable.map((name) => [name, graph.initializers.get(name)!] as const);
  const point = new Map([
    ...inputs,
    ...dropoutMasks(training.masks, batch),
    ...jittered(weights, o.random.fork("weights")),
  ]);
  const { tolerance } = request;
  const elements = weights.reduce((sum, [, { dims }]) => sum + elementCount(dims), 0);
  const effort = elements > LARGE ? EFFORTS.less : EFFORTS.full;
  return { runtime, training, point, parameters: trainable, batch, tolerance, effort, ...o };
}

/** Loads a model with the first size of its free dimensions with which it runs. */
async function loadAtSomeSize(
  runtime: Runtime,
  { model }: VerifyRequest,
  asRead: Graph,
  known: {
    readonly inputs?: ReadonlyMap<string, Tensor>;
    readonly sizes?: ReadonlyMap<string, number>;
  },
): Promise<LoadedModel> {
  let failure: unknown;
  for (const otherwise of hasFreeSizes(asRead) ? SIZES : SIZES.slice(0, 1)) {
    try {
      return await loadModel(model, runtime.evaluate, () => ({ ...known, otherwise }));
    } catch (thrown) {
      if (!(thrown instanceof RavnError)) throw thrown;
      failure ??= thrown;
    }
  }
  throw failure;
}

/** Four samples, or fewer where the values of a forward pass are many; two for a batch norm. */
function samplesFor(graph: Graph, facts: Facts): number {
  const perSample = graph.nodes.flatMap(({ outputs }) => outputs).reduce((sum, name) => {
    const fact = facts.get(name);
    return fact === undefined ? sum : sum + elementCount(dimsAt(fact.dims, 1));
  }, 1);
  const least = graph.nodes.some(({ op }) => op === "BatchNormalization") ? 2 : 1;
  return Math.min(SAMPLES_MAX, Math.max(least, Math.floor(ELEMENTS_MAX / perSample)));
}
