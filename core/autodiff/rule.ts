import type { Call } from "./call.ts";

/** Makes the gradient of one input when it is asked for; returns the name of the value. */
export type Gradient = () => string;

/** How the gradients of an operator's inputs follow from those of its outputs. */
export interface DifferentiableRule {
  readonly kind: "differentiable";
  /** First and last operator set version for which the rule holds; no `until`: all later ones. */
  readonly since: number;
  readonly until?: number;
  /**
   * True where every gradient comes out in the shape of output 0 although the input may have been
   * broadcast to it: the walker then sums it back to the input's shape.
   */
  readonly broadcasts?: boolean;
  /**
   * Gradients by input position. Undefined says that no gradient flows to that input. A gradient is
   * only made if something needs it.
   */
  readonly gradients: (call: Call) => readonly (Gradient | undefined)[];
}

/** The operator passes no gradient on: its outputs are integers, or constant almost everywhere. */
export interface ZeroRule {
  readonly kind: "zero";
  readonly since: number;
  readonly until?: number;
}

/** What happens to gradients at an operator. */
export type Rule = DifferentiableRule | ZeroRule;

/** The rules of one operator, for different operator set versions. */
export type RuleEntry = readonly Rule[];

/** One differentiable rule that holds from version `since` on. */
export function rule(
  gradients: DifferentiableRule["gradients"],
  o: { since?: number; until?: number; broadcasts?: boolean } = {},
): DifferentiableRule {
  return { kind: "differentiable", since: 1, ...o, gradients };
}

/** The newest rule of an operator, for one of the same form in a domain that is at version 1. */
export function atVersionOne(entry: RuleEntry): RuleEntry {
  return entry.slice(-1).map((newest) => ({ ...newest, since: 1 }));
}
