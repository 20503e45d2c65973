/**
 * A whole training step (forward, loss, backward, Adam) against PyTorch's on as many threads, from
 * the same shapes. The argument names the bench.
 */
import { foldConstants, traceFacts } from "../core/onnx/mod.ts";
import type { Graph } from "../core/onnx/mod.ts";
import { Runtime } from "../core/runtime/mod.ts";
import { Random } from "../core/random.ts";
import { openStage } from "../core/run/open_stage.ts";
import type { OpenStage } from "../core/run/open_stage.ts";
import { storedStage } from "../core/run/stage_files.ts";
import { buildPrograms, LABELS } from "../core/training/mod.ts";
import { digitsCnn, lenet, mlp } from "../models/mod.ts";
import { interleave, millisecondsOf, report } from "./interleave.ts";
import { Peer } from "./peer.ts";

const THREADS = 2;
const REPEATS = 20;
const CLASSES = 10;

interface Problem {
  readonly build: (options: { seed: number }) => Graph;
  readonly batch: number;
  /** Rows for mean squared error; else class indices for cross-entropy. */
  readonly oneHot: boolean;
}

const PROBLEMS: Readonly<Record<string, Problem>> = {
  digits_cnn: { build: digitsCnn, batch: 64, oneHot: true },
  mlp: { build: mlp, batch: 128, oneHot: false },
  lenet: { build: lenet, batch: 128, oneHot: false },
};

async function openProblem({ build, batch, oneHot }: Problem): Promise<OpenStage> {
  const runtime = Runtime.open({ threads: THREADS });
  const model = build({ seed: 1 });
  const graph = foldConstants(model, await traceFacts(model, runtime.evaluate, { batch }));
  const facts = await traceFacts(graph, runtime.evaluate, { batch });
  const [program] = buildPrograms({
    graph,
    facts,
    stages: [graph.nodes.map(({ name }) => name)],
    recompute: [false],
    batch,
    loss: oneHot ? { type: "mse" } : { type: "cross_entropy", label_smoothing: 0 },
    labels: oneHot
      ? { dtype: "float32", dims: [{ perSample: 1 }, CLASSES] }
      : { dtype: "int64", dims: [{ perSample: 1 }], classes: CLASSES },
    labelsFrom: "root",
    maskAs: "input",
  });
  const stage = await openStage(runtime, storedStage(program!), {
    schedule: "async",
    inFlight: 1,
    microBatches: 1,
    updateFrequency: 1,
    optimizer: { type: "adam", lr: 1e-3, betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0 },
    learningRate: { type: "constant" },
    seed: 1,
  });
  fill(stage, { batch, oneHot, input: graph.inputs[0]!.name });
  return stage;
}

function fill(
  { executor }: OpenStage,
  o: { readonly batch: number; readonly oneHot: boolean; readonly input: string },
): void {
  const random = new Random(1);
  const bytes = executor.input(0, o.input, o.batch);
  const x = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  for (let i = 0; i < x.length; i++) x[i] = random.uniform();
  const given = executor.input(0, LABELS, o.batch);
  if (o.oneHot) {
    const rows = new Float32Array(given.buffer, given.byteOffset, o.batch * CLASSES);
    for (let i = 0; i < o.batch; i++) rows[i * CLASSES + random.integer(CLASSES)] = 1;
  } else {
    const labels = new BigInt64Array(given.buffer, given.byteOffset, o.batch);
    for (let i = 0; i < o.batch; i++) labels[i] = BigInt(random.integer(CLASSES));
  }
}

async function main(bench: string): Promise<void> {
  const network = bench.slice("step/".length);
  const problem = PROBLEMS[network];
  if (problem === undefined) throw new Error(`no network "${network}" in this bench`);
  const script = new URL("step.py", import.meta.url);
  const peer = await Peer.start(script, [THREADS, REPEATS, network]);
  if ("skipped" in peer) return report({ bench, skipped: peer.skipped });
  await using _ended = peer;
  await using stage = await openProblem(problem);
  let update = 0;
  const step = async () => {
    // Slot 0 holds the batch; the number of the step still changes the dropout masks.
    await stage.executor.step(update, problem.batch, 0, { scale: 1, first: true });
    await stage.weights.update(0, 0, { rate: 1e-3, update: update++ });
  };
  const found = await interleave(() => millisecondsOf(step, REPEATS), () => peer.run());
  report({ bench, ...found, peer_name: peer.name, unit: "ms" });
}

if (import.meta.main) await main(Deno.args[0] ?? "step/digits_cnn");
