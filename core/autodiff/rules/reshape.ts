import { rule, type RuleEntry } from "../rule.ts";

/**
 * Flatten, Reshape, Squeeze and Unsqueeze keep the elements in their order, so the gradient is dy
 * in the shape of x, whatever form the operator set gives their arguments.
 */
export const reshape: RuleEntry = [
  rule((call) => [() => call.reshapeLike(call.dy, call.input(0))]),
];
