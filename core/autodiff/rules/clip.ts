import type { Call } from "../call.ts";
import { type Gradient, rule, type RuleEntry } from "../rule.ts";

/** dx = dy where the limits left x as it was (at a limit too), else 0. */
function inside(call: Call): Gradient {
  const { dy, emit, type } = call;
  return () => {
    const unchanged = emit.equal(call.input(0), call.output());
    return emit.mul(dy, emit.indicator(unchanged, type));
  };
}

/**
 * A limit gets the sum of dy over the elements that it replaced: those for which `op`(x, limit).
 */
function limit(call: Call, i: number, op: "Less" | "Greater"): Gradient {
  const { dy, emit, type } = call;
  return () => {
    const beyond = emit.node(op, [call.input(0), call.input(i)]);
    const gradient = emit.mul(dy, emit.indicator(beyond, type));
    return call.unbroadcast(gradient, call.dims(call.output()), i);
  };
}

/** y = min(max(x, low), high). The limits are attributes before opset 11, then inputs. */
export const clip: RuleEntry = [
  rule((call) => [inside(call)], { since: 6, until: 10 }),
  rule((call) => [inside(call), limit(call, 1, "Less"), limit(call, 2, "Greater")], { since: 11 }),
];
