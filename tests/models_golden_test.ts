import assert from "node:assert/strict";
import { numbers } from "../core/onnx/mod.ts";
import type { Graph } from "../core/onnx/mod.ts";
import { Runtime } from "../core/runtime/mod.ts";
import type { OptimizerConfig } from "../core/training/mod.ts";
import {
  bert,
  BERT_SIZES,
  gpt,
  GPT_SIZES,
  inceptionV3,
  mobilenetV2,
  resnet18,
  resnet50,
} from "../models/mod.ts";
import { runInProcess } from "./in_process.ts";
import type { InProcessResult } from "./in_process.ts";
import { classes, masked, type ModelProblem, runOf, sorting } from "./models_problems.ts";
import { projected, PROJECTIONS, withHashedWeights } from "./models_values.ts";

/** Three updates as PyTorch makes them in float64; see `make_models.py`. */
interface Golden {
  readonly losses: readonly number[];
  /** Norm at the end, norm of the change, projections of the change. */
  readonly tensors: Readonly<Record<string, readonly number[]>>;
}

/** Relative to the norm of a tensor, and to a loss. */
const TOLERANCE = 1e-4;

/** Relative to the change that three updates make. */
const CHANGE_TOLERANCE = 0.1;

/** Of weights in float32, relative to their norm. */
const ROUNDING = 1e-6;

/** Learning rates of SGD and Adam; see `make_models.py`. */
const RATES: Readonly<Record<string, readonly [number, number]>> = {
  resnet18: [2e-4, 1e-5],
  resnet50: [3e-5, 3e-7],
  inception_v3: [2e-6, 1e-7],
  mobilenet_v2: [5e-6, 2e-7],
};
const USUAL_RATES = [1e-3, 1e-5] as const;

function optimizers([sgd, adam]: readonly [number, number]) {
  const plain = { dampening: 0, nesterov: false, weight_decay: 0 };
  return {
    sgd: { type: "sgd", lr: sgd, momentum: 0.9, ...plain },
    adam: { type: "adam", lr: adam, betas: [0.9, 0.999], eps: 1e-6, weight_decay: 0 },
  } as const satisfies Record<string, OptimizerConfig>;
}

const IMAGES = { seed: 1, size: 64, classes: 200, dropout: 0 };
const SORTER = { seed: 1, ...GPT_SIZES.nano, vocabulary: 3, block: 11, dropout: 0 };
const TEXT = { seed: 1, ...BERT_SIZES.tiny, sequence: 16, dropout: 0 };

const PROBLEMS: Readonly<Record<string, () => ModelProblem>> = {
  resnet18: () => classes(resnet18(IMAGES), { batch: 4, size: 64, count: 200 }),
  resnet50: () => classes(resnet50(IMAGES), { batch: 4, size: 64, count: 200 }),
  inception_v3: () => {
    const graph = inceptionV3({ seed: 1, size: 32, classes: 10, dropout: 0 });
    return classes(graph, { batch: 2, size: 32, count: 10 });
  },
  mobilenet_v2: () => classes(mobilenetV2(IMAGES), { batch: 16, size: 64, count: 200 }),
  gpt_nano: () => sorting(gpt(SORTER), 8, 11, 5),
  bert_tiny: () => masked(bert(TEXT), 4, 16, 30522),
};

for (const [name, make] of Object.entries(PROBLEMS)) {
  Deno.test(`three updates of ${name} are those of PyTorch`, async () => {
    const file = new URL(`../fixtures/golden/models/${name}.json`, import.meta.url);
    const golden: Readonly<Record<string, Golden>> = JSON.parse(await Deno.readTextFile(file));
    const runtime = Runtime.open();
    const problem = make();
    const graph = withHashedWeights(problem.graph);
    for (const [kind, optimizer] of Object.entries(optimizers(RATES[name] ?? USUAL_RATES))) {
      const run = await runOf(runtime, { ...problem, graph }, { optimizer, updates: 3 });
      compare(await runInProcess(run), golden[kind]!, graph, `${name}, ${kind}`);
    }
  });
}

function compare(result: InProcessResult, golden: Golden, start: Graph, what: string): void {
  golden.losses.forEach((loss, i) => {
    const off = Math.abs(result.losses[i]! - loss) / loss;
    assert.ok(off < TOLERANCE, `${what}: loss ${i} is ${result.losses[i]}, PyTorch's ${loss}`);
  });
  for (const [tensor, values] of Object.entries(golden.tensors)) {
    const [norm = 0, change = 0, ...projections] = values;
    const before = numbers(start.initializers.get(tensor)!);
    const trained = result.tensors.get(tensor);
    const found = projected(tensor, before, trained === undefined ? before : numbers(trained));
    const squares = found.map((value, k) => (value - projections[k]!) ** 2);
    const off = Math.sqrt(squares.reduce((sum, square) => sum + square) / PROJECTIONS);
    assert.ok(off < TOLERANCE * norm, `${what}: ${tensor} is off by ${off / norm}`);
    // Adam makes steps of rounding errors where the gradient is zero: a bias before a norm.
    if (change < 1e-9 * norm) continue;
    const allowed = CHANGE_TOLERANCE * change + ROUNDING * norm;
    assert.ok(off < allowed, `${what}: ${tensor} moved otherwise: ${off / change}`);
  }
}
