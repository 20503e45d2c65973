import type { Call } from "../call.ts";
import { type Gradient, rule, type RuleEntry } from "../rule.ts";

/** The rotation by the same angles the other way round: sines negated. */
function rotatedBack(call: Call, sines: number, tables: readonly number[]): Gradient {
  const { emit, node } = call;
  for (const table of tables) {
    if (
      call.around.producer(call.input(table)) !== undefined &&
      call.around.carries(call.input(table))
    ) {
      call.refuse("its sines and cosines are computed from what is trained");
    }
  }
  return () => {
    const inputs = node.inputs.map((input, i) =>
      i === 0 ? call.dy : i === sines ? emit.neg(input) : input
    );
    return emit.node(node.op, inputs, node.attributes, node.domain);
  };
}

/**
 * Pairs of elements rotated by an angle of their position (Su et al. 2021): the gradient is dy
 * rotated back. The tables of sines and cosines take no gradient. Opset 23.
 */
export const rotaryEmbedding: RuleEntry = [
  rule((call) => [rotatedBack(call, 2, [1, 2])], { since: 23 }),
];

/** ONNX Runtime's form, with the positions before the tables. */
export const microsoftRotaryEmbedding: RuleEntry = [
  rule((call) => [rotatedBack(call, 3, [2, 3])]),
];
