import type { Call } from "../call.ts";
import { bothBiases, INITIAL_HIDDEN, unrolled } from "./recurrence.ts";

const GATES = [0, 1] as const;

/** The plain recurrent network (Elman 1990) unrolled: h' = f(x W + h R + b), f tanh or ReLU. */
export function rnn(call: Call): string[] {
  const { emit, node } = call;
  const named = node.attributes["activations"];
  const f = named?.type === "strings" && named.value[0] === "Relu" ? "Relu" : "Tanh";
  return unrolled(call, 1, [f], (direction) => {
    let h = direction.initial(INITIAL_HIDDEN);
    const outputs: string[] = [];
    for (const x of direction.steps(bothBiases(call, direction, GATES))) {
      h = emit.node(f, [h === undefined ? x : emit.add(x, direction.recur(h))]);
      outputs.push(h);
    }
    return { outputs, last: [h!] };
  });
}
