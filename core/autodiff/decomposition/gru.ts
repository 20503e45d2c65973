import { intOf } from "../../onnx/mod.ts";
import type { Call } from "../call.ts";
import { bothBiases, type Direction, INITIAL_HIDDEN, plus, split, unrolled } from "./recurrence.ts";

/** Update, reset and hidden gate: ONNX's order. */
const GATES = 3;
const HIDDEN_GATE = [2, 3] as const;
const OTHER_GATES = [0, 2] as const;

/** True where the reset gate comes onto h R + b, false where it comes onto h. */
function resetsAfter(call: Call): boolean {
  return intOf(call.node, "linear_before_reset", 0) !== 0;
}

/** What is added to x W in all steps: the biases that no reset gate comes onto. */
function earlyBias(call: Call, direction: Direction): string | undefined {
  if (!resetsAfter(call)) return bothBiases(call, direction, [0, GATES]);
  const others = bothBiases(call, direction, OTHER_GATES);
  const hidden = direction.bias("input", HIDDEN_GATE);
  return others === undefined || hidden === undefined
    ? undefined
    : call.emit.concat([others, hidden], 0);
}

/** The hidden gate before its tanh, from its part of x W + b. */
function candidate(
  call: Call,
  direction: Direction,
  o: { readonly x: string; readonly reset: string; readonly h: string | undefined },
): string {
  const { emit } = call;
  const { x, reset, h } = o;
  if (!resetsAfter(call)) {
    return h === undefined ? x : emit.add(x, direction.recur(emit.mul(reset, h), HIDDEN_GATE));
  }
  const bias = direction.bias("state", HIDDEN_GATE);
  const recurred = h === undefined ? bias : plus(call, direction.recur(h, HIDDEN_GATE), bias);
  return recurred === undefined ? x : emit.add(x, emit.mul(reset, recurred));
}

/**
 * Gated recurrent unit (Cho et al. 2014) unrolled:
 *
 * ```text
 * z, r = σ(x W + h R + b)    n = tanh(x W + r (h R + b) + b)    h' = (1 − z) n + z h
 * ```
 *
 * where without `linear_before_reset` r comes onto h before R.
 */
export function gru(call: Call): string[] {
  const { emit } = call;
  const one = emit.scalar(call.dtype(call.input(0)), 1);
  return unrolled(call, GATES, ["Sigmoid", "Tanh"], (direction) => {
    let h = direction.initial(INITIAL_HIDDEN);
    const outputs: string[] = [];
    for (const x of direction.steps(earlyBias(call, direction))) {
      const [xz, xr, xn] = split(call, x, GATES, 2) as [string, string, string];
      const recurred = h === undefined ? [] : split(call, direction.recur(h, OTHER_GATES), 2, 2);
      const [z, reset] = [xz, xr].map((gate, i) =>
        emit.node("Sigmoid", [plus(call, gate, recurred[i])])
      ) as [string, string];
      const n = emit.node("Tanh", [candidate(call, direction, { x: xn, reset, h })]);
      const fresh = emit.mul(emit.sub(one, z), n);
      h = h === undefined ? fresh : emit.add(fresh, emit.mul(z, h));
      outputs.push(h);
    }
    return { outputs, last: [h!] };
  });
}
