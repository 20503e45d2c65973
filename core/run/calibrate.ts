import { z } from "zod";
import { differentiate, trainingForm } from "../autodiff/mod.ts";
import { readWhole, writeWhole } from "../data/mod.ts";
import { byteCount, dimsAt, isFloat, readsOf, writeModel } from "../onnx/mod.ts";
import type { Facts, Graph, Node } from "../onnx/mod.ts";
import { costKey } from "../planning/mod.ts";
import type { OperatorTime, OperatorTimes } from "../planning/mod.ts";
import { Random } from "../random.ts";
import { alignedBytes, freeBytes } from "../runtime/mod.ts";
import type { Runtime } from "../runtime/mod.ts";
import { assemble, modelTensors, portOf, trainedValues } from "../training/mod.ts";
import type { Piece, Port } from "../training/mod.ts";
import { exists } from "./node_data.ts";

/** Runs of which the fastest counts; the first one warms up. */
const RUNS = 5;
/** The same for a model whose first run takes so many times what is to be beaten. */
const HOPELESS = 5;
/** An operator that takes so long is run fewer times. */
const LONG_MS = 100;

const calibration = z.record(
  z.string(),
  z.object({ forward_ms: z.number().nonnegative(), backward_ms: z.number().nonnegative() }),
);

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
}

/** Measured operators. */
export interface Calibration {
  readonly times: OperatorTimes;
  /** Keeps what is new in the cache file. */
  save(): Promise<void>;
}

/**
 * Measures each operator of a model, forward and backward, alone and on made-up data. Operators
 * that differ in nothing are measured once, and not again where they are in the cache file.
 */
export async function calibrate(options: CalibrationOptions): Promise<Calibration> {
  const { graph, facts, batch, runtime, cache, freeze } = options;
  const known = cache === undefined ? new Map<string, OperatorTime>() : await readCache(cache);
  const before = known.size;
  const { trainable } = modelTensors(graph, freeze);
  const trained = trainedValues(graph, trainable);
  const times = new Map<string, OperatorTime>();
  for (const node of graph.nodes) {
    const wrt = node.inputs.filter((input) =>
      trained.has(input) && isFloat(facts.get(input)?.dtype ?? "int64")
    );
    const key = `${runtime.threads} ${wrt.length} ${costKey(node, graph, facts, batch)}`;
    let time = known.get(key);
    if (time === undefined) {
      time = await measure(node, { wrt, trainable: new Set(trainable) }, options);
      known.set(key, time);
    }
    times.set(node.name, time);
  }
  return {
    times,
    save: async () => {
      if (cache === undefined || known.size === before) return;
      await writeWhole(cache, `${JSON.stringify(Object.fromEntries(known), null, 1)}\n`);
    },
  };
}

/** Earlier results; a file that is damaged counts as none, for it can be made again. */
async function readCache(file: string): Promise<Map<string, OperatorTime>> {
  if (!await exists(file)) return new Map();
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(await readWhole(file)));
    return new Map(Object.entries(calibration.parse(value)));
  } catch {
    return new Map();
  }
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
  const runs = best_ms > LONG_MS || best_ms > HOPELESS * toBeat ? 1 : RUNS;
  for (let run = 0; run < runs; run++) {
    await binding.runAsync();
    best_ms = Math.min(best_ms, binding.lastRun_ms);
  }
  return best_ms;
}
