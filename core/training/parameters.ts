import { RavnError } from "../error.ts";
import type { Graph } from "../onnx/mod.ts";
import { modelState } from "../planning/mod.ts";

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
 * @throws {RavnError} where there are none, or they are not float32
 */
export function modelTensors(graph: Graph): ModelTensors {
  const { trainable, buffers } = modelState(graph);
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

/** Values that depend on a trained tensor: only they have a gradient to send back. */
export function trainedValues(graph: Graph, parameters: Iterable<string>): Set<string> {
  const trained = new Set(parameters);
  for (const node of graph.nodes) {
    if (!node.inputs.some((input) => trained.has(input))) continue;
    for (const output of node.outputs) if (output !== "") trained.add(output);
  }
  return trained;
}
