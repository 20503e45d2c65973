import { gradientGraph, trainingForm } from "../autodiff/mod.ts";
import type { Point, TrainingGraph } from "../autodiff/mod.ts";
import { RavnError } from "../error.ts";
import { elementCount, hasFreeSizes } from "../onnx/mod.ts";
import type { Graph, Tensor } from "../onnx/mod.ts";
import { Random } from "../random.ts";
import { Runtime } from "../runtime/mod.ts";
import { modelTensors } from "../training/mod.ts";
import { EFFORTS, GradientProbe } from "./gradient_probe.ts";
import type { Effort, MakeGradient } from "./gradient_probe.ts";
import { loadModel, readModelFile } from "./model_file.ts";
import type { LoadedModel } from "./model_file.ts";
import type { VerifyReport, VerifyRequest, VerifyRow } from "./requests.ts";
import { operatorRows, shown } from "./verify_operators.ts";
import { dropoutMasks, exampleInputs, jittered, madeUpInputs } from "./verify_point.ts";

/** Sizes that are tried for a free dimension of which nothing is known. */
const SIZES = [8, 16, 4, 32, 64, 224];

/** Part of the time that the operators may take; the parameters have the rest. */
const OPERATORS_SHARE = 0.5;

/** Elements of the parameters that move along one direction. */
const ELEMENTS_MAX = 2 ** 20;

/** Models of more parameters than this are looked at with less effort. */
const LARGE = 2 ** 23;

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
 * Compares the gradients of a model with finite differences: of the whole model along random
 * directions, of each distinct operator alone with the activations it has there, and by each
 * parameter (as many as there is time for).
 *
 * @param makeGradient writes the backward pass; given by tests
 * @throws {RavnError} where the model cannot be run or differentiated, naming node and operator
 */
export async function verify(
  request: VerifyRequest,
  makeGradient: MakeGradient = gradientGraph,
): Promise<VerifyReport> {
  const started = performance.now();
  using runtime = Runtime.open();
  const random = new Random(request.seed);
  const subject = await subjectOf(runtime, request, { random, makeGradient });
  const { graph, facts } = subject.training;
  using probe = await GradientProbe.open({
    ...subject,
    graph,
    facts,
    wrt: subject.parameters,
  });
  const reached = subject.parameters.filter((name) => probe.reaches(name));
  const model = await wholeRows(subject, probe, reached);
  const begun = performance.now();
  const hasTime = (share: number) => performance.now() - begun < share * request.seconds * 1000;
  const operators = await operatorRows(subject, () => hasTime(OPERATORS_SHARE));
  const parameters = await parameterRows(probe, reached, () => hasTime(1));
  const rows = [...model, ...operators.rows, ...parameters];
  const measured = rows.filter(({ verdict }) => verdict !== "unclear");
  const worst = measured.reduce<VerifyRow | undefined>(
    (most, row) => most === undefined || rank(row) > rank(most) ? row : most,
    undefined,
  );
  return {
    file: request.model,
    passed: rows.every(({ verdict }) => verdict !== "differs") &&
      model.some(({ verdict }) => verdict === "agrees"),
    samples: subject.batch,
    tolerance: request.tolerance,
    operators: { checked: operators.rows.length, of: operators.of },
    parameters: { checked: parameters.length, of: subject.parameters.length },
    idle: subject.parameters.filter((name) => !probe.reaches(name)),
    ...(worst === undefined ? {} : { worst }),
    rows,
    seconds: (performance.now() - started) / 1000,
  };
}

/** A row that differs is worse than any that agrees. */
function rank({ verdict, relative }: VerifyRow): number {
  return verdict === "differs" ? 1 + (relative ?? Infinity) : Math.min(1, relative ?? 0);
}

/** Loads a model and chooses the point at which it is looked at. */
async function subjectOf(
  runtime: Runtime,
  request: VerifyRequest,
  o: { readonly random: Random; readonly makeGradient: MakeGradient },
): Promise<Subject> {
  const { graph: asRead } = await readModelFile(request.model);
  const examples = request.inputs === undefined
    ? undefined
    : await exampleInputs(asRead, request.inputs, request.batch);
  const batch = examples?.values().next().value?.dims[0] ?? request.batch;
  const known = {
    ...(examples === undefined ? {} : { inputs: examples }),
    ...(request.sizes === undefined ? {} : { sizes: request.sizes }),
  };
  const { graph, facts } = await loadAtSomeSize(runtime, request, asRead, known);
  const { trainable } = modelTensors(graph);
  const training = trainingForm(graph, facts, { statistics: true, maskAs: "input" });
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

async function wholeRows(
  { point, random }: Subject,
  probe: GradientProbe,
  parameters: readonly string[],
): Promise<VerifyRow[]> {
  if (parameters.length === 0) {
    throw new RavnError("no output of the model depends on a parameter");
  }
  const kind = "model" as const;
  const some = () => atMost(ELEMENTS_MAX, parameters, point, random);
  return [
    { kind, name: "random direction", ...shown(await probe.judged(some())) },
    { kind, name: "another random direction", ...shown(await probe.judged(some())) },
    { kind, name: "steepest direction", ...shown(await probe.judgedSteepest(some())) },
  ];
}

/** All of the parameters, or of a large model some at random, of so many elements together. */
function atMost(
  elements: number,
  parameters: readonly string[],
  point: Point,
  random: Random,
): string[] {
  const shuffled = [...parameters];
  random.shuffle(shuffled);
  let sum = 0;
  return shuffled.filter((name, i) => {
    const count = elementCount(point.get(name)!.dims);
    if (i > 0 && sum + count > elements) return false;
    sum += count;
    return true;
  });
}

/** Parameters one by one, spread over the model, while there is time. */
async function parameterRows(
  probe: GradientProbe,
  parameters: readonly string[],
  hasTime: () => boolean,
): Promise<VerifyRow[]> {
  const rows: VerifyRow[] = [];
  for (const name of spread(parameters)) {
    if (!hasTime()) break;
    rows.push({ kind: "parameter", name, ...shown(await probe.judged([name])) });
  }
  return rows;
}

/** The list with its ends and middle first, so that any beginning of it covers the whole. */
function spread<T>(list: readonly T[]): T[] {
  const taken = new Set<number>();
  for (let parts = 1; taken.size < list.length; parts *= 2) {
    for (let i = 0; i <= parts; i++) taken.add(Math.round(i / parts * (list.length - 1)));
  }
  return [...taken].map((index) => list[index]!);
}
