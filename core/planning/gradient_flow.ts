import { ruleFor } from "../autodiff/mod.ts";
import { isFloat, readsOf } from "../onnx/mod.ts";
import type { Facts, Graph } from "../onnx/mod.ts";

/** Which values of a graph a gradient reaches. */
export interface GradientFlow {
  /** Trainable parameters, and float values that depend on one. */
  readonly differentiable: ReadonlySet<string>;
}

/** Follows the trainable parameters through the graph. */
export function gradientFlow(
  graph: Graph,
  facts: Facts,
  trainable: Iterable<string>,
): GradientFlow {
  const differentiable = new Set(trainable);
  for (const node of graph.nodes) {
    const { op, domain } = node;
    if (ruleFor(op, domain, graph.opsets.get(domain) ?? 1)?.kind === "zero") continue;
    if (![...readsOf(node)].some((name) => differentiable.has(name))) continue;
    for (const output of node.outputs) {
      const fact = facts.get(output);
      if (fact !== undefined && isFloat(fact.dtype)) differentiable.add(output);
    }
  }
  return { differentiable };
}
