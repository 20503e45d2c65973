import { differentiate, trainingForm } from "../autodiff/mod.ts";
import {
  byteCount,
  dimsAt,
  elementCount,
  GraphBuilder,
  isFloat,
  readsOf,
  writeModel,
} from "../onnx/mod.ts";
import type { Facts, Graph, Node } from "../onnx/mod.ts";
import { costKey } from "../planning/mod.ts";
import type { OperatorTime, OperatorTimes, Overheads } from "../planning/mod.ts";
import { Random } from "../random.ts";
import { alignedBytes, freeBytes } from "../runtime/mod.ts";
import type { Runtime } from "../runtime/mod.ts";
import { assemble, modelTensors, portOf, trainedValues } from "../training/mod.ts";
import type { OptimizerConfig, Piece, Port, StageProgram } from "../training/mod.ts";
import { CalibrationFile } from "./calibration_file.ts";
import { freeMemory, usableCores } from "./machine.ts";
import { halves, timeCut } from "./time_cut.ts";
import { timeContention } from "./time_contention.ts";
import { timeOverheads } from "./time_overheads.ts";
import { timeTraining } from "./time_training.ts";
import type { TimedTraining, TrainingTime } from "./time_training.ts";

/** Runs of which the fastest counts; the first one warms up. */
const RUNS = 5;
/** A graph that takes less than this for all its runs is run more often, as chance disturbs it. */
const SHORT_MS = 8;
const RUNS_MOST = 40;
/** The same for a model whose first run takes so many times what is to be beaten. */
const HOPELESS = 5;
/** An operator that takes so long is run fewer times. */
const LONG_MS = 100;

/** A model whose operators take longer than this together is not timed whole. */
const WHOLE_MS_MAX = 4_000;
/** Steps of the whole model that count: so many that they take about this long, within bounds. */
const STEPS_MS = 700;
const STEPS = { least: 3, most: 400 };
/** A model whose step takes longer is not trained several times at once. */
const AT_ONCE_MS_MAX = 250;
/** The most trainings at once by which it is found what stages take from each other. */
const AT_ONCE_MAX = 8;
/** Copies of the parameters in a training: weights in three versions, gradients, Adam's state. */
const PARAMETER_COPIES = 6;

/** What `calibrate` measures, and where it keeps the results. */
export interface CalibrationOptions {
  readonly runtime: Runtime;
  readonly graph: Graph;
  readonly facts: Facts;
  /** Samples in a micro-batch. */
  readonly batch: number;
  /** Patterns of names of parameters that are not trained. */
  readonly freeze?: readonly string[];
  /** File of earlier results; absent: none are read or kept. */
  readonly cache?: string;
  /** The whole model, to be trained for some steps. */
  readonly whole: WholeModel;
  /** Whether to measure what training costs beyond its operators, too. */
  readonly overheads: boolean;
  /** Stages that will train on this machine at the same time; 1 unless told. */
  readonly stages_here?: number;
}

/** A model that can be trained. */
export interface WholeModel {
  /** Equal for models, settings and batches that take equally long. */
  readonly key: string;
  readonly optimizer: OptimizerConfig;
  /** The programs of stages, each given by the names of its nodes. */
  programs(stages: readonly (readonly string[])[]): StageProgram[];
}

/** What was measured of a model on this machine. */
export interface Calibration {
  /** Of every operator, so that together they take as long as the whole step does. */
  readonly times: OperatorTimes;
  /** Where they were asked for. */
  readonly overheads?: Overheads;
  /** Keeps what is new in the cache file. */
  save(): Promise<void>;
}

/**
 * Measures each operator of a model, forward and backward, alone and on made-up data; then some
 * steps of the whole model, to whose time the operators' are scaled: in a whole graph operators are
 * fused, lie in other layouts, and find their inputs in the cache. Operators that differ in nothing
 * are measured once, and nothing is measured again that is in the cache file.
 */
export async function calibrate(options: CalibrationOptions): Promise<Calibration> {
  const { runtime, cache, whole } = options;
  const file = await CalibrationFile.open(cache);
  const alone = await timeOperators(options, file);
  const { optimizer } = whole;
  const machine = options.overheads
    ? await file.get(
      "machine",
      `${runtime.version}, ${runtime.threads} threads, ${optimizer.type}`,
      () => timeOverheads(runtime, optimizer),
    )
    : undefined;
  const alone_ms = [...alone.values()]
    .reduce((sum, { forward_ms, backward_ms }) => sum + forward_ms + backward_ms, 0);
  const save = () => file.save();
  if (alone_ms > WHOLE_MS_MAX) {
    const overheads = machine && { ...machine, cores_used: runtime.threads, contention: 1 };
    return { times: alone, ...(overheads ? { overheads } : {}), save };
  }
  const updates = Math.round(STEPS_MS / alone_ms);
  const program = once(() => whole.programs([options.graph.nodes.map(({ name }) => name)])[0]!);
  const training = (runtime: Runtime) => ({
    runtime,
    program: program(),
    optimizer,
    updates: Math.min(STEPS.most, Math.max(STEPS.least, updates)),
  });
  const timed = (on: Runtime) =>
    file.get(
      "steps",
      `${on.version}, ${on.threads} threads, ${whole.key}`,
      () => timeTraining(training(on)),
    );
  const found = await timed(runtime);
  if (machine === undefined || found.step_ms > AT_ONCE_MS_MAX) {
    return { ...fitted(options, alone, machine && { ...machine, contention: 1 }, found), save };
  }
  const single = runtime.threads === 1 ? runtime : runtime.oneThread();
  const one = await timed(single);
  const together = trainingsAtOnce(options);
  const on = `${runtime.version}, ${whole.key}`;
  // A plan is worth having where threads cannot be started, too.
  const contention = together === 1 ? 1 : await file.get(
    "contention",
    `${together} at once, ${on}`,
    async () => ({ factor: await timeContention(shorter(training(single)), one, together - 1) }),
  ).then(({ factor }) => factor, () => 1);
  const parts = halves(options.graph, alone);
  const cut = together === 1 || parts === undefined ? 1 : await file.get("cut", on, async () => {
    const { updates, ...rest } = shorter(training(single));
    const cut_ms = await timeCut({ ...rest, programs: whole.programs(parts), updates });
    return { factor: Math.max(1, cut_ms / one.step_ms) };
    // Nor does it need that the model can be cut just there.
  }).then(({ factor }) => factor, () => 1);
  const one_thread = Math.max(1, one.step_ms / found.step_ms);
  return { ...fitted(options, alone, { ...machine, contention, one_thread, cut }, found), save };
}

/** Half as many updates: there are three such trainings. */
function shorter(training: TimedTraining): TimedTraining {
  return { ...training, updates: Math.max(STEPS.least, training.updates >> 1) };
}

/** The same value on every call. */
function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}

/** So many that all cores are busy, but no more than stages, or than find room in memory. */
function trainingsAtOnce(
  { graph, stages_here = 1 }: CalibrationOptions,
): number {
  const bytes = [...graph.initializers.values()].reduce((sum, { bytes }) => sum + bytes.length, 0);
  const rooms = Math.floor(freeMemory() * 2 ** 20 / 2 / (PARAMETER_COPIES * bytes));
  return Math.max(1, Math.min(stages_here, Math.floor(usableCores()), AT_ONCE_MAX, rooms));
}

/** The operators' times and the overheads that together give the time of the whole step. */
function fitted(
  { graph, freeze }: CalibrationOptions,
  alone: OperatorTimes,
  machine: Omit<Overheads, "cores_used"> | undefined,
  { step_ms, update_ms, core_ms }: TrainingTime,
): Omit<Calibration, "save"> {
  const times = [...alone];
  const sum = times.reduce((ms, [, time]) => ms + time.forward_ms + time.backward_ms, 0);
  const { micro_batch_ms = 0 } = machine ?? {};
  const scale = sum > 0 ? Math.max(step_ms / 4, step_ms - micro_batch_ms) / sum : 1;
  const scaled = new Map(times.map(([name, { forward_ms, backward_ms }]) => [
    name,
    { forward_ms: forward_ms * scale, backward_ms: backward_ms * scale },
  ]));
  if (machine === undefined) return { times: scaled };
  const { trainable } = modelTensors(graph, freeze);
  const trained = trainable
    .reduce((count, name) => count + elementCount(graph.initializers.get(name)!.dims), 0);
  const overheads = {
    ...machine,
    update_million_ms: trained > 0 ? update_ms * 1e6 / trained : machine.update_million_ms,
    cores_used: core_ms / (step_ms + update_ms),
  };
  return { times: scaled, overheads };
}

/** Every operator alone, less what a run takes that does nothing. */
async function timeOperators(
  options: CalibrationOptions,
  file: CalibrationFile,
): Promise<Map<string, OperatorTime>> {
  const { graph, facts, batch, runtime, freeze } = options;
  const { trainable } = modelTensors(graph, freeze);
  const trained = trainedValues(graph, trainable);
  const times = new Map<string, OperatorTime>();
  let nothing_ms: number | undefined;
  for (const node of graph.nodes) {
    const wrt = node.inputs.filter((input) =>
      trained.has(input) && isFloat(facts.get(input)?.dtype ?? "int64")
    );
    const key = `${runtime.threads} ${wrt.length} ${costKey(node, graph, facts, batch)}`;
    const time = await file.get("operators", key, async () => {
      nothing_ms ??= await timeOfNothing(runtime);
      const { forward_ms, backward_ms } = await measure(
        node,
        { wrt, trainable: new Set(trainable) },
        options,
      );
      return { forward_ms: Math.max(0, forward_ms - nothing_ms), backward_ms };
    });
    times.set(node.name, time);
  }
  return times;
}

/** Milliseconds of a run of a graph that copies one number. */
function timeOfNothing(runtime: Runtime): Promise<number> {
  const builder = new GraphBuilder("nothing");
  const x = builder.input("x", "float32", ["batch"]);
  builder.output(builder.node("Identity", [x]), "float32", ["batch"]);
  const port: Port = { value: "x", dtype: "float32", dims: [{ perSample: 1 }] };
  return fastest(runtime, writeModel(builder.build()), [port], 1);
}

async function measure(
  node: Node,
  { wrt, trainable }: { readonly wrt: readonly string[]; readonly trainable: ReadonlySet<string> },
  { graph, facts, batch, runtime }: CalibrationOptions,
): Promise<OperatorTime> {
  const alone = aloneGraph(node, trainable, graph, facts);
  const form = trainingForm(alone, facts, { statistics: true, maskAs: "input" });
  const inputs: Port[] = [
    ...alone.inputs.map(({ name }) => portOf(form.facts, name)),
    ...form.masks.map(({ input, dims }) => ({
      value: input,
      dtype: "float32" as const,
      dims: [...dims],
    })),
  ];
  const outputs = alone.outputs.map(({ name }) => ({ port: portOf(form.facts, name), from: name }));
  const forward = assemble("forward", [form.graph], inputs, outputs, form.graph.opsets);
  const forward_ms = await time(runtime, forward, inputs, batch);
  if (wrt.length === 0) return { forward_ms, backward_ms: 0 };
  const seeds = outputs.filter(({ port }) => isFloat(port.dtype))
    .map(({ port }) => ({ ...port, value: `ravn.seed.${port.value}` }));
  const gradients = differentiate({
    graph: form.graph,
    facts: form.facts,
    seeds: new Map(seeds.map(({ value }) => [value.slice("ravn.seed.".length), value])),
    wrt,
  });
  const initializers = new Map([...form.graph.initializers, ...gradients.initializers]);
  const backward: Piece = { nodes: gradients.nodes, initializers };
  const shown = [...gradients.gradients].map(([value, from]) => ({
    port: { ...portOf(form.facts, value), value: `ravn.gradient_of.${value}` },
    from,
  }));
  const fed = [...inputs, ...seeds];
  const opsets = new Map([...form.graph.opsets, ...gradients.opsets]);
  const both = assemble("both", [form.graph, backward], fed, [...outputs, ...shown], opsets);
  const both_ms = await time(runtime, both, fed, batch);
  return { forward_ms, backward_ms: Math.max(0, both_ms - forward_ms) };
}

/**
 * A graph of one node: weights are fed, as in training; the other constants stay. Of the outputs it
 * has those that the model has a use for.
 */
export function aloneGraph(
  node: Node,
  trainable: ReadonlySet<string>,
  graph: Graph,
  facts: Facts,
): Graph {
  const fed = [...new Set(node.inputs)].filter((name) =>
    name !== "" && (trainable.has(name) || !graph.initializers.has(name))
  );
  const info = (name: string) => {
    const { dtype } = facts.get(name)!;
    return { name, dtype };
  };
  const used = new Set(graph.outputs.map(({ name }) => name));
  for (const other of graph.nodes) for (const name of readsOf(other)) used.add(name);
  return {
    name: node.name,
    nodes: [node],
    inputs: fed.map(info),
    outputs: node.outputs.filter((name) => facts.has(name) && used.has(name)).map(info),
    initializers: new Map(
      [...graph.initializers].filter(([name]) => node.inputs.includes(name) && !fed.includes(name)),
    ),
    opsets: graph.opsets,
  };
}

/** Milliseconds of the fastest of a few runs on made-up data. */
function time(
  runtime: Runtime,
  graph: Graph,
  ports: readonly Port[],
  batch: number,
): Promise<number> {
  return fastest(runtime, writeModel(graph), ports, batch);
}

/**
 * Milliseconds of the fastest of a few runs of a model on made-up data.
 *
 * @param toBeat a model that is far from this, in ms, is run less often
 */
export async function fastest(
  runtime: Runtime,
  model: Uint8Array,
  ports: readonly Port[],
  batch: number,
  toBeat: number = Infinity,
): Promise<number> {
  using session = await runtime.session(model);
  using values = new DisposableStack();
  using binding = session.binding();
  const random = new Random(1);
  for (const { name } of session.inputs) {
    const { dtype, dims } = ports.find(({ value }) => value === name)!;
    const size = dimsAt(dims, batch);
    const bytes = values.adopt(alignedBytes(byteCount(dtype, size)), freeBytes);
    if (dtype === "float32") {
      const floats = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
      for (let i = 0; i < floats.length; i++) floats[i] = random.uniform() + 0.1;
    }
    binding.input(name, values.use(runtime.value(dtype, size, bytes)));
  }
  for (const { name } of session.outputs) binding.outputAuto(name);
  await binding.runAsync();
  let best_ms = binding.lastRun_ms;
  const least = best_ms > LONG_MS || best_ms > HOPELESS * toBeat ? 1 : RUNS;
  const end_ms = performance.now() + SHORT_MS;
  for (let run = 0; run < least || (run < RUNS_MOST && performance.now() < end_ms); run++) {
    // A thread of its own costs more than a short run takes.
    if (best_ms < LONG_MS) binding.run();
    else await binding.runAsync();
    best_ms = Math.min(best_ms, binding.lastRun_ms);
  }
  return best_ms;
}
