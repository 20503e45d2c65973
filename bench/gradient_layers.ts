/**
 * The gradient of one layer alone against PyTorch's, on as many threads, at the shapes of a small
 * GPT. The argument names the bench.
 */
import { differentiate, trainingForm } from "../core/autodiff/mod.ts";
import { dimsAt, elementCount, GraphBuilder, tensor, traceFacts } from "../core/onnx/mod.ts";
import { type Graph, writeModel } from "../core/onnx/mod.ts";
import { alignedBytes, floatsOf, Runtime } from "../core/runtime/mod.ts";
import { Random } from "../core/random.ts";
import { openStage } from "../core/run/open_stage.ts";
import { storedStage } from "../core/run/stage_files.ts";
import { assemble, freeValues } from "../core/training/stage_graphs.ts";
import { buildPrograms, portOf } from "../core/training/mod.ts";
import { interleave, millisecondsOf, report } from "./interleave.ts";
import { Peer } from "./peer.ts";

/** On both sides. */
const THREADS = Number(Deno.env.get("RAVN_BENCH_THREADS") ?? 2);
const SAMPLES = 8;
const LENGTH = 128;
const WIDTH = 256;
const REPEATS = 20;
const SEED = "dy";

/** Computes a layer's gradient once, reading what its forward pass left. */
type Backward = () => void | Promise<void>;

function layerNorm(): Graph {
  const b = new GraphBuilder("layer_norm");
  b.input("x", "float32", ["batch", LENGTH, WIDTH]);
  for (const name of ["scale", "bias"]) {
    b.initializer(name, tensor("float32", [WIDTH], new Float32Array(WIDTH).fill(1)));
  }
  b.output(b.node("LayerNormalization", ["x", "scale", "bias"]), "float32");
  return b.build();
}

/** The backward graph of LayerNormalization alone. */
async function ofLayerNorm(runtime: Runtime): Promise<Backward> {
  const graph = layerNorm();
  const traced = await traceFacts(graph, runtime.evaluate, { batch: 2 });
  const form = trainingForm(graph, traced, { statistics: true, maskAs: "input" });
  const y = graph.outputs[0]!.name;
  const { threads } = runtime;
  const seeds = new Map([[y, SEED]]);
  const wrt = ["x", "scale", "bias"];
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
  const model = writeModel(assemble("backward", [made], inputs, outputs, opsets));
  const binding = (await runtime.session(model)).binding();
  for (const { value, dtype, dims } of inputs) {
    const size = dimsAt(dims, SAMPLES);
    const memory = alignedBytes(elementCount(size) * 4);
    fillNormal(memory);
    binding.input(value, runtime.value(dtype, size, memory));
  }
  for (const { port } of outputs) {
    const size = dimsAt(port.dims, SAMPLES);
    const memory = alignedBytes(elementCount(size) * 4);
    binding.output(port.value, runtime.value(port.dtype, size, memory));
  }
  return () => binding.run();
}

/** The backward of a stage that is nothing but an embedding. */
async function ofEmbedding(runtime: Runtime, rows: number): Promise<Backward> {
  const b = new GraphBuilder("embedding");
  b.input("tokens", "int64", ["batch", LENGTH]);
  b.initializer("table", tensor("float32", [rows, WIDTH], new Float32Array(rows * WIDTH)));
  const taken = b.node("Gather", ["table", "tokens"], {}, { name: "embedding" });
  b.output(b.node("Tanh", [taken], {}, { name: "rest" }), "float32");
  const graph = b.build();
  const facts = await traceFacts(graph, runtime.evaluate, { batch: 2 });
  const [program] = buildPrograms({
    graph,
    facts,
    stages: [["embedding"], ["rest"]],
    recompute: [false, false],
    batch: SAMPLES,
    loss: { type: "mse" },
    labels: { dtype: "float32", dims: [{ perSample: 1 }, LENGTH, WIDTH] },
    labelsFrom: "leaf",
    maskAs: "input",
    threads: runtime.threads,
  });
  const { executor } = await openStage(runtime, storedStage(program!), {
    schedule: "1f1b",
    inFlight: 1,
    microBatches: 1,
    updateFrequency: 1,
    optimizer: { type: "sgd", lr: 0, momentum: 0, dampening: 0, nesterov: false, weight_decay: 0 },
    learningRate: { type: "constant" },
    seed: 1,
  });
  const random = new Random(1);
  const tokens = executor.input(0, "tokens", SAMPLES);
  const indices = new BigInt64Array(tokens.buffer, tokens.byteOffset, SAMPLES * LENGTH);
  for (let i = 0; i < indices.length; i++) indices[i] = BigInt(random.integer(rows));
  const { gradient } = program!.manifest.outputs[0]!.to[0]!;
  fillNormal(executor.gradientIn(0, gradient!, SAMPLES));
  return () => executor.backward(0, SAMPLES, 0, true);
}

function fillNormal(memory: Uint8Array): void {
  const random = new Random(1);
  const floats = floatsOf(memory);
  for (let i = 0; i < floats.length; i++) floats[i] = random.normal();
}

async function main(bench: string): Promise<void> {
  const rows = Number(/_(\d+)$/.exec(bench)?.[1] ?? 0);
  const script = new URL("gradient_layers.py", import.meta.url);
  const name = rows === 0 ? "layer_norm" : "embedding";
  const about = [THREADS, REPEATS, name, SAMPLES * LENGTH, WIDTH, rows];
  const peer = await Peer.start(script, about);
  if ("skipped" in peer) return report({ bench, skipped: peer.skipped });
  await using _ended = peer;
  const runtime = Runtime.open({ threads: THREADS });
  const backward = await (rows === 0 ? ofLayerNorm(runtime) : ofEmbedding(runtime, rows));
  const found = await interleave(() => millisecondsOf(backward, REPEATS), () => peer.run());
  report({ bench, ...found, peer_name: peer.name, unit: "ms" });
}

if (import.meta.main) await main(Deno.args[0] ?? "gradient/layer_norm");
