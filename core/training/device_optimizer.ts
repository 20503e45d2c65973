import type { Graph, Tensor } from "../onnx/mod.ts";
import { adamGraph, adamScalarsTensor, sgdGraph, sgdScalarsTensor } from "../runtime/mod.ts";
import type { AdamUpdate, GraphParameter, SgdUpdate } from "../runtime/mod.ts";
import { optimizerSlots, updateParameters } from "./optimizer.ts";
import type { OptimizerConfig, OptimizerKernels, UpdateTime } from "./optimizer.ts";

/** Names that the optimizer's graph has for its state, in the order of `optimizerSlots`. */
export function stateNames(config: OptimizerConfig): readonly string[] {
  const names = config.type === "sgd" ? ["buffer"] : ["m", "v"];
  return names.slice(0, optimizerSlots(config).length);
}

/** An update of all `parameters` as a graph; see {@linkcode adamGraph}. */
export function optimizerGraph(
  config: OptimizerConfig,
  parameters: readonly GraphParameter[],
): Graph {
  if (config.type === "sgd") return sgdGraph(parameters, config.momentum !== 0);
  return adamGraph(parameters);
}

/** In the place of kernels: keeps the scalars of an update, and computes nothing. */
class KeptScalars implements OptimizerKernels<string> {
  tensor: Tensor | undefined;

  adam(_w: string, _out: string, _g: string, _m: string, _v: string, update: AdamUpdate): void {
    this.tensor = adamScalarsTensor(update);
  }

  sgd(_w: string, _out: string, _g: string, _buffer: string | undefined, update: SgdUpdate): void {
    this.tensor = sgdScalarsTensor(update);
  }
}

/** The scalars that the graph takes for one update, by the same rules as the kernels' arguments. */
export function scalarsOf(config: OptimizerConfig, at: UpdateTime): Tensor {
  const kept = new KeptScalars();
  const slots = stateNames(config);
  updateParameters(kept, config, { weights: "", out: "", gradients: "", slots }, at);
  return kept.tensor!;
}
