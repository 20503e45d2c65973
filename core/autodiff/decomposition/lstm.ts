import type { Call } from "../call.ts";
import { bothBiases, INITIAL_HIDDEN, split, unrolled } from "./recurrence.ts";

/** Input, output, forget and cell gate: ONNX's order. */
const GATES = 4;

/**
 * Long short-term memory (Hochreiter and Schmidhuber 1997) unrolled:
 *
 * ```text
 * i, o, f = σ(x W + h R + b)    g = tanh(x W + h R + b)
 * c' = f c + i g                h' = o tanh c'
 * ```
 */
export function lstm(call: Call): string[] {
  const { emit } = call;
  return unrolled(call, GATES, ["Sigmoid", "Tanh", "Tanh"], (direction) => {
    let [h, c] = [direction.initial(INITIAL_HIDDEN), direction.initial(INITIAL_HIDDEN + 1)];
    const outputs: string[] = [];
    for (const x of direction.steps(bothBiases(call, direction, [0, GATES]))) {
      const sum = h === undefined ? x : emit.add(x, direction.recur(h));
      const [i, o, f, g] = split(call, sum, GATES, 2).map((gate, at) =>
        emit.node(at === 3 ? "Tanh" : "Sigmoid", [gate])
      ) as [string, string, string, string];
      const fresh = emit.mul(i, g);
      c = c === undefined ? fresh : emit.add(emit.mul(f, c), fresh);
      h = emit.mul(o, emit.node("Tanh", [c]));
      outputs.push(h);
    }
    return { outputs, last: [h!, c!] };
  });
}
