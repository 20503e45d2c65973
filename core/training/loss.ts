import { RavnError } from "../error.ts";
import type { DType, Extent, Fact, Node, Tensor } from "../onnx/mod.ts";
import { isFloat } from "../onnx/mod.ts";
import type { ComputedLoss, LossConfig } from "./loss_config.ts";
import { crossEntropy, nll } from "./loss_classes.ts";
import { binaryCrossEntropy, meanSquaredError } from "./loss_elements.ts";
import { classAxis, shapeText } from "./loss_labels.ts";
import { LossNodes } from "./loss_nodes.ts";
import type { LossTerms, LossValues } from "./loss_terms.ts";

/** What {@link appendLoss} adds a loss to. */
export interface LossInput {
  readonly loss: LossConfig;
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
  /** Name of the scalar loss, the mean over the batch. */
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
  const { loss, output, labels } = input;
  if (loss.type === "output") {
    throw new TypeError(`the loss is the output "${loss.output}"; there is nothing to append`);
  }
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
    forward: new LossNodes("ravn.loss"),
    backward: new LossNodes("ravn.grad.loss"),
  };
  const { loss: value, gradient } = termsOf(loss, o);
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

function termsOf(loss: ComputedLoss, o: LossTerms): LossValues {
  switch (loss.type) {
    case "mse":
      return meanSquaredError(o);
    case "bce_with_logits":
      return binaryCrossEntropy(o);
    case "cross_entropy":
      return crossEntropy(o, loss);
    case "nll":
      return nll(o, loss);
  }
}

export type { ComputedLoss, LossConfig } from "./loss_config.ts";
export { labelsFor } from "./loss_labels.ts";
export type { Labels } from "./loss_labels.ts";
export { accuracyKind, countCorrect } from "./loss_accuracy.ts";
export type { AccuracyKind } from "./loss_accuracy.ts";
