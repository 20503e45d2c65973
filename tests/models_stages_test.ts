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
import { assertClose } from "./made_up_problem.ts";
import { classes, masked, type ModelProblem, runOf, sorting } from "./models_problems.ts";

const OPTIMIZER: OptimizerConfig = {
  type: "sgd",
  lr: 1e-3,
  momentum: 0.9,
  dampening: 0,
  nesterov: false,
  weight_decay: 0,
};

const IMAGES = { seed: 1, size: 64, classes: 10 };
const DATA = { batch: 8, size: 64, count: 10 };
const VOCABULARY = 97;

/** The published layouts, image networks with an eighth of the width or less. */
const PROBLEMS: Readonly<Record<string, () => ModelProblem>> = {
  resnet18: () => classes(resnet18({ ...IMAGES, width: 8 }), DATA),
  resnet50: () => classes(resnet50({ ...IMAGES, width: 4 }), DATA),
  inception_v3: () => {
    const graph = inceptionV3({ ...IMAGES, size: 32, width: 1 / 16 });
    return classes(graph, { ...DATA, size: 32 });
  },
  mobilenet_v2: () => classes(mobilenetV2({ ...IMAGES, width: 1 / 8 }), DATA),
  gpt_nano: () => sorting(gpt({ seed: 1, ...GPT_SIZES.nano, vocabulary: 3, block: 11 }), 8, 11, 5),
  bert_tiny: () => {
    const size = { ...BERT_SIZES.tiny, vocabulary: VOCABULARY, places: 16 };
    return masked(bert({ seed: 1, ...size }), 8, 16, VOCABULARY);
  },
};

const RUNS = [[2, "1f1b"], [3, "1f1b"], [4, "zb"], [5, "1f1b"]] as const;

for (const [name, make] of Object.entries(PROBLEMS)) {
  Deno.test(`2 to 5 stages of ${name} equal one process`, async () => {
    const options = { optimizer: OPTIMIZER, updates: 3, microBatches: 2 };
    const base = await runOf(Runtime.open(), make(), options);
    const single = await runInProcess(base);
    const nodes = base.graph.nodes.length;
    for (const [stages, schedule] of RUNS) {
      const cuts = Array.from(
        { length: stages - 1 },
        (_, i) => Math.round((i + 1) * nodes / stages),
      );
      const settings = { ...base.settings, schedule };
      const result = await runInProcess({ ...base, cuts, settings });
      assertClose(result, single, `${name}, ${schedule}, cuts ${cuts}`);
    }
  });
}
