import { MICROSOFT } from "../emit.ts";
import { lastTwoSwapped } from "../operations.ts";
import { rule, type RuleEntry } from "../rule.ts";

/** y = X⁻¹ of each matrix: dX = −yᵀ dy yᵀ. */
export const inverse: RuleEntry = [
  rule((call) => [() => {
    const { dy, emit, type } = call;
    const y = call.output();
    const rank = call.dims(y).length;
    const form = { dtype: type, rankA: rank, rankB: rank };
    const left = emit.matMul(y, dy, { ...form, transA: true });
    return emit.matMul(left, y, { ...form, transB: true }, -1);
  }]),
];

/** y = det X of each matrix: dX = dy y X⁻ᵀ (Jacobi's formula), for X that can be inverted. */
export const determinant: RuleEntry = [
  rule((call) => [() => {
    const { dy, emit } = call;
    const x = call.input(0);
    const rank = call.dims(x).length;
    const inverted = emit.node("Inverse", [x], {}, MICROSOFT);
    const factor = emit.unsqueeze(emit.mul(dy, call.output()), [rank - 2, rank - 1]);
    return emit.mul(factor, emit.transpose(inverted, lastTwoSwapped(rank)));
  }], { since: 11 }),
];
