import { RavnError } from "../error.ts";
import type { DType, Extent, Fact, Node, Tensor } from "../onnx/mod.ts";
import { isFloat, sizeAt } from "../onnx/mod.ts";
import type { ComputedLoss } from "./loss_config.ts";
import { crossEntropy, nll } from "./loss_classes.ts";
import {
  binaryCrossEntropy,
  binaryCrossEntropyOfProbabilities,
  divergence,
  huber,
  meanAbsoluteError,
  meanSquaredError,
} from "./loss_elements.ts";
import { classAxis, shapeText } from "./loss_labels.ts";
import { LossNodes } from "./loss_nodes.ts";
import type { LossTerms, LossValues } from "./loss_terms.ts";

/** What {@link appendLoss} adds a loss to. */
export interface LossInput {
  readonly loss: ComputedLoss;
  /** Tells the names of one loss from those of others in the graph. */
  readonly index?: number;
  /** The model output that is compared. */
  readonly output: { readonly name: string; readonly fact: Fact };
  /**
   * The graph input that takes the labels: int64 class indices (the output's shape without its
   * class axis), or float32 of the output's shape. See `labelsFor`.
   */
  readonly labels: {
    readonly name: string;
    readonly dtype: DType;
    readonly dims: readonly Extent[];
  };
  /** Value with the float32 scalar that the gradient is multiplied by. */
  readonly scale: string;
  /** Version of ONNX's default operator set in the graph, 13 to 22. */
  readonly opset: number;
}

/** Nodes and constants to append to a forward graph. */
export interface LossGraph {
  readonly nodes: readonly Node[];
  readonly initializers: ReadonlyMap<string, Tensor>;
  /** Name of the scalar loss, reduced over the batch as the loss says. */
  readonly loss: string;
  /** Nodes that read those of the loss and compute d(scale · loss) / d(output). */
  readonly gradient: {
    readonly nodes: readonly Node[];
    readonly initializers: ReadonlyMap<string, Tensor>;
    /** Name of the gradient, of the output's shape. */
    readonly value: string;
  };
}

/**
 * The nodes of a loss and of its gradient, written out rather than differentiated: few nodes, since
 * each costs microseconds however small. They hold for any batch size.
 *
 * @throws {RavnError} when the labels do not go with the output.
 */
export function appendLoss(input: LossInput): LossGraph {
  const { loss, output, labels, index = "" } = input;
  if (output.fact.dtype !== "float32") {
    throw new RavnError(
      `loss ${loss.type}: output "${output.name}" is ${output.fact.dtype}; expected float32`,
    );
  }
  const axis = classAxis(output.fact.dims, labels);
  if (axis === undefined) {
    throw new RavnError(
      `loss ${loss.type}: labels ${labels.dtype} ${shapeText(labels.dims)} do not go with output ` +
        `"${output.name}" ${shapeText(output.fact.dims)}; expected float32 of the same shape, ` +
        `or int64 class indices`,
    );
  }
  const o: LossTerms = {
    output: output.name,
    dims: output.fact.dims,
    labels: labels.name,
    indexed: !isFloat(labels.dtype),
    axis,
    scale: input.scale,
    opset: input.opset,
    forward: new LossNodes(`ravn.loss${index}`),
    backward: new LossNodes(`ravn.grad.loss${index}`),
  };
  checkLengths(loss, output, axis);
  const { loss: value, gradient } = valuesOf(loss, o);
  return {
    nodes: o.forward.nodes,
    initializers: o.forward.initializers,
    loss: value,
    gradient: {
      nodes: o.backward.nodes,
      initializers: o.backward.initializers,
      value: gradient,
    },
  };
}

function valuesOf(loss: ComputedLoss, o: LossTerms): LossValues {
  switch (loss.type) {
    case "mse":
      return meanSquaredError(o);
    case "l1":
      return meanAbsoluteError(o);
    case "huber":
      return huber(o, loss.delta, 1);
    case "smooth_l1":
      return loss.beta === 0 ? meanAbsoluteError(o) : huber(o, loss.beta, loss.beta);
    case "bce":
      return binaryCrossEntropyOfProbabilities(o);
    case "bce_with_logits":
      return binaryCrossEntropy(o, loss.pos_weight);
    case "kl":
      return divergence(o, loss);
    case "cross_entropy":
      return crossEntropy(o, loss);
    case "nll":
      return nll(o, loss);
  }
}

/** Checks options that must be as long as an axis of the output. */
function checkLengths(loss: ComputedLoss, { name, fact }: LossInput["output"], axis: number): void {
  const [key, list, along] = "pos_weight" in loss && typeof loss.pos_weight === "object"
    ? ["pos_weight", loss.pos_weight, fact.dims.length - 1] as const
    : ["weights", "weights" in loss ? loss.weights : undefined, axis] as const;
  if (list === undefined || sizeAt(fact.dims[along] ?? 1, 1) === list.length) return;
  throw new RavnError(
    `loss ${loss.type}: ${key} has ${list.length} values for output "${name}" ` +
      `${shapeText(fact.dims)}; expected one for each of ${sizeAt(fact.dims[along] ?? 1, 1)}`,
  );
}

export { countsUnevenly, lossTerms } from "./loss_config.ts";
export type { ComputedLoss, LossConfig, LossTerm } from "./loss_config.ts";
export { labelsFor } from "./loss_labels.ts";
export type { Labels } from "./loss_labels.ts";
export { accuracyKind, countCorrect, countSequences } from "./loss_accuracy.ts";
export type { AccuracyKind, Correct } from "./loss_accuracy.ts";
