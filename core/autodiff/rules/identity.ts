import { isFloat } from "../../onnx/mod.ts";
import { rule, type RuleEntry } from "../rule.ts";

/** y = x: dx = dy. */
export const identity: RuleEntry = [rule(({ dy }) => [() => dy])];

/**
 * y = x in another element type: dx = dy in that of x. Integers carry no gradient, unless a refused
 * operator made them of something that does.
 */
export const cast: RuleEntry = [
  rule((call) => {
    const x = call.input(0);
    const from = call.dtype(x);
    if (!isFloat(from)) {
      if (!call.around.carries(x)) return [undefined];
      const maker = call.around.producer(x);
      return call.refuse(`no gradient flows through ${maker?.op}, which makes its integers`);
    }
    return [() => from === call.type ? call.dy : call.emit.cast(call.dy, from)];
  }),
];

/** y = x in the element type of a second value, of which only the type is read. */
export const castLike: RuleEntry = cast;

/**
 * Dropout as it stands in a model that has not been put in training form: the identity. In training
 * it is a product with a mask, which `trainingForm` writes.
 */
export const dropout: RuleEntry = [
  rule((call) => {
    const training = call.has(2) ? call.constant(2) : [0];
    if (training?.[0] !== 0) call.refuse("put the graph in training form first");
    return [() => call.dy];
  }, { since: 7 }),
];
