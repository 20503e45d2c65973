import { numbers } from "../../onnx/mod.ts";
import type { Node } from "../../onnx/mod.ts";
import type { Surroundings } from "../call.ts";

/** Operators that have an infinite slope at some finite argument. */
const STEEP = new Set([
  ...["Sqrt", "Log", "Reciprocal", "Asin", "Acos", "Acosh", "Atanh"],
  ...["ReduceLogSum", "ReduceL2", "LpNormalization"],
]);

/** Operators through which an infinite gradient comes as it is, to some elements alone. */
const PASSING = new Set([
  ...["Identity", "Cast", "Neg", "Add", "Sub", "Mul", "Sum", "Mean", "Max", "Min", "Relu", "Abs"],
  ...["Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Expand", "Tile", "Pad"],
  ...["Slice", "Split", "Concat", "Gather", "ReduceSum", "ReduceMean", "ReduceSumSquare"],
  ...["Div", "Pow"],
]);

/** A quotient is steep in its divisor, a power in its base unless the exponent is 1 or more. */
function isSteep({ op, inputs }: Node, value: string, around: Surroundings): boolean {
  if (op === "Div") return inputs[1] === value;
  if (op !== "Pow") return STEEP.has(op);
  const exponents = around.initializers.get(inputs[1]!) ?? around.facts.get(inputs[1]!)?.constant;
  return exponents === undefined || numbers(exponents).some((exponent) => exponent < 1);
}

/**
 * Whether the gradient that arrives at `value` may be infinite where that of everything behind it
 * is finite, as that of √y at 0: a steep operator reads it, directly or through some that pass
 * gradients on. Only the operators of one stage are known.
 */
export function meetsPole(value: string, around: Surroundings): boolean {
  const seen = new Set([value]);
  for (const each of seen) {
    for (const node of around.consumers(each)) {
      if (node.domain !== "") continue;
      if (isSteep(node, each, around)) return true;
      if (PASSING.has(node.op)) node.outputs.forEach((output) => seen.add(output));
    }
  }
  return false;
}
