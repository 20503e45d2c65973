/**
 * The gradient of one layer alone against PyTorch's, on as many threads, at the shapes of a small
 * GPT. The argument names the bench.
 */
import { differentiate, trainingForm } from "../core/autodiff/mod.ts";
import { dimsAt, elementCount, GraphBuilder, tensor, traceFacts } from "../core/onnx/mod.ts";
import { type Graph, writeModel } from "../core/onnx/mod.ts";
import { alignedBytes, type Binding, Runtime, scatteredModels } from "../core/runtime/mod.ts";
import { Random } from "../core/random.ts";
import { assemble, freeValues } from "../core/training/stage_graphs.ts";
import { portOf } from "../core/training/mod.ts";
import { interleave, millisecondsOf, report } from "./interleave.ts";
import { Peer } from "./peer.ts";

/** On both sides. */
const THREADS = Number(Deno.env.get("RAVN_BENCH_THREADS") ?? 2);
const SAMPLES = 8;
const LENGTH = 128;
const WIDTH = 256;
const REPEATS = 20;
const SEED = "dy";

/** A layer by the second part of a bench's name: its graph, and what it is differentiated for. */
interface Layer {
  readonly graph: Graph;
  readonly wrt: readonly string[];
  /** Rows of the table, for an embedding. */
  readonly rows: number;
}

function layerNorm(): Layer {
  const b = new GraphBuilder("layer_norm");
  b.input("x", "float32", ["batch", LENGTH, WIDTH]);
  for (const name of ["scale", "bias"]) {
    b.initializer(name, tensor("float32", [WIDTH], new Float32Array(WIDTH).fill(1)));
  }
  b.output(b.node("LayerNormalization", ["x", "scale", "bias"]), "float32");
  return { graph: b.build(), wrt: ["x", "scale", "bias"], rows: 0 };
}

function embedding(rows: number): Layer {
  const b = new GraphBuilder("embedding");
  b.input("tokens", "int64", ["batch", LENGTH]);
  b.initializer("table", tensor("float32", [rows, WIDTH], new Float32Array(rows * WIDTH)));
  b.output(b.node("Gather", ["table", "tokens"]), "float32");
  return { graph: b.build(), wrt: ["table"], rows };
}

function layerOf(bench: string): Layer {
  const name = bench.slice("gradient/".length);
  const rows = /^embedding_(\d+)$/.exec(name)?.[1];
  return rows === undefined ? layerNorm() : embedding(Number(rows));
}

/** The backward pass alone, reading what the forward pass left, ready to run. */
async function backward(runtime: Runtime, { graph, wrt, rows }: Layer): Promise<Binding> {
  const traced = await traceFacts(graph, runtime.evaluate, { batch: 2 });
  const form = trainingForm(graph, traced, { statistics: true, maskAs: "input" });
  const y = graph.outputs[0]!.name;
  const { threads } = runtime;
  const seeds = new Map([[y, SEED]]);
  const made = differentiate({ graph: form.graph, facts: form.facts, seeds, wrt, threads });
  const facts = new Map([...form.facts, [SEED, form.facts.get(y)!]]);
  const inputs = [...freeValues(made.nodes)]
    .filter((name) => facts.has(name) && !made.initializers.has(name))
    .map((name) => portOf(facts, name));
  const outputs = [...made.gradients].map(([value, from]) => ({
    port: { ...portOf(facts, value), value: `gradient.${value}` },
    from,
  }));
  const opsets = new Map([...graph.opsets, ...made.opsets]);
  const whole = writeModel(assemble("backward", [made], inputs, outputs, opsets));
  const { model } = scatteredModels({ model: whole }, threads);
  const session = await runtime.session(model!);
  const binding = session.binding();
  const random = new Random(1);
  for (const { value, dtype, dims } of inputs) {
    const size = dimsAt(dims, SAMPLES);
    const memory = alignedBytes(elementCount(size) * (dtype === "int64" ? 8 : 4));
    if (dtype === "int64") {
      const tokens = new BigInt64Array(memory.buffer, memory.byteOffset, elementCount(size));
      for (let i = 0; i < tokens.length; i++) tokens[i] = BigInt(random.integer(rows));
    } else {
      const floats = new Float32Array(memory.buffer, memory.byteOffset, elementCount(size));
      for (let i = 0; i < floats.length; i++) floats[i] = random.normal();
    }
    binding.input(value, runtime.value(dtype, size, memory));
  }
  for (const { port } of outputs) {
    const size = dimsAt(port.dims, SAMPLES);
    const memory = alignedBytes(elementCount(size) * 4);
    binding.output(port.value, runtime.value(port.dtype, size, memory));
  }
  return binding;
}

async function main(bench: string): Promise<void> {
  const layer = layerOf(bench);
  const script = new URL("gradient_layers.py", import.meta.url);
  const name = layer.rows === 0 ? "layer_norm" : "embedding";
  const about = [THREADS, REPEATS, name, SAMPLES * LENGTH, WIDTH, layer.rows];
  const peer = await Peer.start(script, about);
  if ("skipped" in peer) return report({ bench, skipped: peer.skipped });
  await using _ended = peer;
  const binding = await backward(Runtime.open({ threads: THREADS }), layer);
  const found = await interleave(
    () => millisecondsOf(() => binding.run(), REPEATS),
    () => peer.run(),
  );
  report({ bench, ...found, peer_name: peer.name, unit: "ms" });
}

if (import.meta.main) await main(Deno.args[0] ?? "gradient/layer_norm");
