import type { Graph, Tensor } from "../onnx/mod.ts";
import {
  adagradGraph,
  adagradScalarsTensor,
  adamGraph,
  adamScalarsTensor,
  lambGraph,
  lambScalarsTensor,
  lionGraph,
  lionScalarsTensor,
  rmspropGraph,
  rmspropScalarsTensor,
  sgdGraph,
  sgdScalarsTensor,
} from "../runtime/mod.ts";
import type {
  AdagradUpdate,
  AdamUpdate,
  GraphParameter,
  LambUpdate,
  LionUpdate,
  RmspropUpdate,
  SgdUpdate,
  UpdateGraphOptions,
} from "../runtime/mod.ts";
import { optimizerSlots, updateParameters } from "./optimizer.ts";
import type { OptimizerConfig, OptimizerKernels, UpdateTime } from "./optimizer.ts";

/** Names that the optimizers' graphs have for their state, by PyTorch's. */
const STATE_NAMES: Readonly<Record<string, string>> = {
  momentum_buffer: "buffer",
  exp_avg: "m",
  exp_avg_sq: "v",
  square_avg: "v",
  grad_avg: "average",
  sum: "sum",
};

/** Names that the optimizer's graph has for its state, in the order of `optimizerSlots`. */
export function stateNames(config: OptimizerConfig): readonly string[] {
  return optimizerSlots(config).map((slot) => STATE_NAMES[slot]!);
}

/** An update of all `parameters` as a graph; see {@linkcode adamGraph}. */
export function optimizerGraph(
  config: OptimizerConfig,
  parameters: readonly GraphParameter[],
  options: UpdateGraphOptions = {},
): Graph {
  switch (config.type) {
    case "sgd":
      return sgdGraph(parameters, config.momentum !== 0, options);
    case "rmsprop": {
      const has = { centered: config.centered, momentum: config.momentum !== 0 };
      return rmspropGraph(parameters, has, options);
    }
    case "adagrad":
      return adagradGraph(parameters, options);
    case "lion":
      return lionGraph(parameters, options);
    case "lamb":
      return lambGraph(parameters, options);
    case "adam":
    case "adamw":
      return adamGraph(parameters, options);
  }
}

type Ignored = string | undefined;

/** In the place of kernels: keeps the scalars of an update, and computes nothing. */
class KeptScalars implements OptimizerKernels<string> {
  tensor: Tensor | undefined;

  adam(_w: string, _out: string, _g: string, _m: string, _v: string, update: AdamUpdate): void {
    this.tensor = adamScalarsTensor(update);
  }

  sgd(_w: string, _out: string, _g: string, _buffer: Ignored, update: SgdUpdate): void {
    this.tensor = sgdScalarsTensor(update);
  }

  rmsprop(
    ...[, , , , , , update]: [string, string, string, string, Ignored, Ignored, RmspropUpdate]
  ): void {
    this.tensor = rmspropScalarsTensor(update);
  }

  adagrad(_w: string, _out: string, _g: string, _sums: string, update: AdagradUpdate): void {
    this.tensor = adagradScalarsTensor(update);
  }

  lion(_w: string, _out: string, _g: string, _m: string, update: LionUpdate): void {
    this.tensor = lionScalarsTensor(update);
  }

  lamb(_w: string, _out: string, _g: string, _m: string, _v: string, update: LambUpdate): void {
    this.tensor = lambScalarsTensor(update);
  }
}

/** The scalars that the graph takes for one update, by the same rules as the kernels' arguments. */
export function scalarsOf(config: OptimizerConfig, at: UpdateTime): Tensor {
  const kept = new KeptScalars();
  const slots = stateNames(config);
  updateParameters(kept, config, { weights: "", out: "", gradients: "", slots }, at);
  return kept.tensor!;
}
