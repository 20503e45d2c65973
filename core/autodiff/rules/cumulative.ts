import { intOf, tensor } from "../../onnx/mod.ts";
import { axisOf, type Call } from "../call.ts";
import { rule, type RuleEntry } from "../rule.ts";

/** y = the running sum of x along an axis: dx = the sum of dy running the other way. */
export const cumSum: RuleEntry = [
  rule((call) => {
    const { emit, dy, node } = call;
    const reverse = 1 - intOf(node, "reverse", 0);
    const exclusive = intOf(node, "exclusive", 0);
    return [() => emit.node("CumSum", [dy, call.input(1)], { exclusive, reverse }), undefined];
  }, { since: 11 }),
];

/** A matrix over two axes with ones where `holds`, for values with `after` axes behind them. */
function pattern(
  call: Call,
  size: number,
  after: number,
  dtype: "bool" | "gradient",
  holds: (i: number, j: number) => boolean,
): string {
  const ones = Array.from(
    { length: size * size },
    (_, k) => holds(Math.floor(k / size), k % size) ? 1 : 0,
  );
  const dims = [size, size, ...new Array<number>(after).fill(1)];
  return call.emit.constant(tensor(dtype === "bool" ? dtype : call.type, dims, ones), "pattern");
}

/**
 * y = the running product of x along an axis: dxᵢ = Σ dyⱼ Πₖ xₖ over the products j that xᵢ is in,
 * each without xᵢ. They are computed, not divided out of y, so that x may be 0; it takes n times
 * the memory of x for an axis of n elements.
 */
export const cumProd: RuleEntry = [
  rule((call) => {
    const { emit, dy, node, type } = call;
    const [reverse, exclusive] = [intOf(node, "reverse", 0), intOf(node, "exclusive", 0)];
    return [() => {
      const dims = call.dims(call.input(0));
      const axis = axisOf(call.constantOrRefuse(1, "axis")[0]!, dims.length);
      const size = dims[axis]!;
      if (typeof size !== "number") return call.refuse("its axis follows the batch");
      const after = dims.length - 1 - axis;
      const itself = pattern(call, size, after, "bool", (i, j) => i === j);
      const takesPart = pattern(call, size, after, "gradient", (i, j) => {
        const steps = reverse === 1 ? i - j : j - i;
        return exclusive === 1 ? steps > 0 : steps >= 0;
      });
      const factors = emit.node("Where", [
        itself,
        emit.scalar(type, 1),
        emit.unsqueeze(call.input(0), [axis]),
      ]);
      const along = emit.scalar("int64", axis + 1);
      const products = emit.node("CumProd", [factors, along], { exclusive, reverse });
      const share = emit.mul(emit.unsqueeze(dy, [axis]), takesPart);
      return emit.reduceSum(emit.mul(products, share), [axis + 1], false);
    }, undefined];
  }, { since: 26 }),
];
