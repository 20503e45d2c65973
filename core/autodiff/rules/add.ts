import { rule, type RuleEntry } from "../rule.ts";

/** y = a + b: da = dy, db = dy. */
export const add: RuleEntry = [
  rule(({ dy }) => [() => dy, () => dy], { since: 7, broadcasts: true }),
];

/** y = a − b: da = dy, db = −dy. */
export const sub: RuleEntry = [
  rule(({ dy, emit }) => [() => dy, () => emit.neg(dy)], { since: 7, broadcasts: true }),
];

/** y = Σ xᵢ over the inputs: dxᵢ = dy. */
export const sum: RuleEntry = [
  rule(({ dy, node }) => node.inputs.map(() => () => dy), { since: 8, broadcasts: true }),
];

/** y = Σ xᵢ / n over the n inputs: dxᵢ = dy / n. */
export const mean: RuleEntry = [
  rule(
    ({ dy, node, emit, type }) =>
      node.inputs.map(() => () => emit.scale(dy, type, 1 / node.inputs.length)),
    {
      since: 8,
      broadcasts: true,
    },
  ),
];
