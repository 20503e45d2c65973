import { oneHot } from "./loss_labels.ts";
import type { LossTerms, LossValues } from "./loss_terms.ts";

/**
 * Mean squared error over all n elements:
 *
 *   L = Σ (y − t)² / n,   dL/dy = 2 (y − t) / n
 */
export function meanSquaredError(o: LossTerms): LossValues {
  const { forward, backward } = o;
  const target = o.indexed ? oneHot(o, o.labels, [0, 1]) : o.labels;
  const difference = forward.node("Sub", [o.output, target]);
  const square = forward.node("Mul", [difference, difference]);
  const loss = forward.node("ReduceMean", [square], { keepdims: 0 });
  const twice = backward.node("Add", [o.scale, o.scale]);
  const factor = backward.node("Div", [twice, backward.count(difference)]);
  return { loss, gradient: backward.node("Mul", [difference, factor]) };
}

/**
 * Binary cross entropy of logits, mean over all n elements:
 *
 *   L = Σ (log(1 + eʸ) − y t) / n,   dL/dy = (σ(y) − t) / n
 *
 * Softplus is the stable form of log(1 + eʸ).
 */
export function binaryCrossEntropy(o: LossTerms): LossValues {
  const { forward, backward } = o;
  const target = o.indexed ? oneHot(o, o.labels, [0, 1]) : o.labels;
  const softplus = forward.node("Softplus", [o.output]);
  const chosen = forward.node("Mul", [o.output, target]);
  const each = forward.node("Sub", [softplus, chosen]);
  const loss = forward.node("ReduceMean", [each], { keepdims: 0 });
  const excess = backward.node("Sub", [backward.node("Sigmoid", [o.output]), target]);
  const factor = backward.node("Div", [o.scale, backward.count(o.output)]);
  return { loss, gradient: backward.node("Mul", [excess, factor]) };
}
