import { rule, type RuleEntry } from "../rule.ts";

/** y = condition ? a : b: da = condition ? dy : 0, db = condition ? 0 : dy. */
export const where: RuleEntry = [
  rule((call) => {
    const { dy, emit, type } = call;
    const zero = () => emit.scalar(type, 0);
    const condition = call.input(0);
    return [
      undefined,
      () => emit.node("Where", [condition, dy, zero()]),
      () => emit.node("Where", [condition, zero(), dy]),
    ];
  }, { since: 9, broadcasts: true }),
];
