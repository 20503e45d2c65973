import { RavnError } from "../error.ts";
import type { Graph } from "../onnx/mod.ts";
import { modelState } from "../planning/mod.ts";
import { checkPatterns, matchesAny } from "./name_patterns.ts";
import type { OptimizerConfig } from "./optimizer.ts";

/** The tensors of a model that training changes. */
export interface ModelTensors {
  /** Weights with gradients, in the order in which nodes read them. */
  readonly trainable: readonly string[];
  /** Running statistics of normalization layers. */
  readonly running: readonly string[];
}

/**
 * The tensors that training changes.
 *
 * @param freeze patterns of names of parameters that stay as they are; running statistics go on
 * @throws {RavnError} where there are none, a pattern matches none, or they are not float32
 */
export function modelTensors(graph: Graph, freeze: readonly string[] = []): ModelTensors {
  const { trainable: all, buffers } = modelState(graph);
  if (all.length > 0) checkPatterns("freeze", freeze, all);
  const trainable = all.filter((name) => !matchesAny(freeze, name));
  if (trainable.length === 0 && all.length > 0) {
    throw new RavnError(`freeze: all ${all.length} parameters of the model are frozen`);
  }
  const dtypeOf = (name: string) => graph.initializers.get(name)?.dtype;
  const wide = trainable.find((name) => dtypeOf(name) !== "float32");
  if (wide !== undefined) {
    throw new RavnError(
      `parameter "${wide}" is ${dtypeOf(wide)}; ravn trains float32: export the model in float32`,
    );
  }
  if (trainable.length === 0) throw new RavnError("the model has no parameters to train");
  return { trainable, running: buffers };
}

/**
 * Checks the patterns of parameter groups.
 *
 * @throws {RavnError} for a pattern that matches no parameter, naming the nearest
 */
export function checkGroups({ groups = [] }: OptimizerConfig, graph: Graph): void {
  const { trainable } = modelState(graph);
  groups.forEach(({ match }, i) => checkPatterns(`optimizer.groups.${i}.match`, match, trainable));
}

/** Values that depend on a trained tensor: only they have a gradient to send back. */
export function trainedValues(graph: Graph, parameters: Iterable<string>): Set<string> {
  const trained = new Set(parameters);
  for (const node of graph.nodes) {
    if (!node.inputs.some((input) => trained.has(input))) continue;
    for (const output of node.outputs) if (output !== "") trained.add(output);
  }
  return trained;
}
