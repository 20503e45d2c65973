import { quotientOf } from "../extent.ts";
import { rule, type RuleEntry } from "../rule.ts";

/** y = x laid side by side along each axis: dx = the sum of dy over all copies. */
export const tile: RuleEntry = [
  rule((call) => {
    const { emit, dy } = call;
    return [() => {
      const [x, y] = [call.dims(call.input(0)), call.dims(call.output())];
      const copies = x.map((extent, i) =>
        quotientOf(y[i]!, extent) ?? call.refuse("its repeats shrink as the batch grows")
      );
      if (copies.every((n) => n === 1)) return dy;
      const apart = x.flatMap((extent, i) => copies[i] === 1 ? [extent] : [copies[i]!, extent]);
      const axes: number[] = [];
      copies.forEach((n, i) => {
        if (n !== 1) axes.push(i + axes.length);
      });
      const several = apart.filter((extent) => typeof extent !== "number").length > 1;
      const stacked = several
        ? emit.node("Reshape", [dy, emit.shape(apart, call.references(call.input(0)))])
        : emit.reshape(dy, apart);
      return emit.reduceSum(stacked, axes, false);
    }, undefined];
  }, { since: 6 }),
];
