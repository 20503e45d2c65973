import { type Attribute, type Extent, intOf, stringOf } from "../../onnx/mod.ts";
import { numbers } from "../../onnx/mod.ts";
import type { Call } from "../call.ts";

/** Beyond so many steps the graph of an unrolled network grows out of hand. */
const STEPS_MAX = 1024;

/** Inputs that all recurrent operators have in the same place. */
const [X, W, R, B, LENGTHS, INITIAL] = [0, 1, 2, 3, 4, 5];

/** Operators through which zeros stay zeros. */
const KEEPS_ZEROS = new Set([
  "Cast",
  "Expand",
  "Identity",
  "Reshape",
  "Slice",
  "Split",
  "Squeeze",
  "Tile",
  "Transpose",
  "Unsqueeze",
]);

/** One direction of a recurrent layer, ready to take its steps. */
export interface Direction {
  /** x Wᵀ + bias of each step in the order of the steps, [1, batch, gates · hidden]. */
  steps(bias: string | undefined): readonly string[];
  /** h Rᵀ for a state h [1, batch, hidden] or a part of its gates. */
  recur(h: string, gates?: readonly [number, number]): string;
  /** A part of the bias of the input, or of the state; undefined where there is none. */
  bias(of: "input" | "state", gates: readonly [number, number]): string | undefined;
  /** The first state [1, batch, hidden] of input `i`; undefined where it is zero. */
  initial(i: number): string | undefined;
}

/** A layer's states over time, each [1, batch, hidden], and the last of each kind. */
export interface Steps {
  readonly outputs: readonly string[];
  readonly last: readonly string[];
}

/**
 * Unrolls a recurrent layer: x [steps, batch, inputs], W [directions, gates · hidden, inputs], R
 * [directions, gates · hidden, hidden]. `run` takes one direction through all steps.
 *
 * @returns all states [steps, directions, batch, hidden], then the last of each kind
 * [directions, batch, hidden].
 */
export function unrolled(
  call: Call,
  gates: number,
  activations: readonly string[],
  run: (direction: Direction) => Steps,
): string[] {
  refuseForms(call, activations);
  const { emit, node } = call;
  const [steps, batch] = call.dims(call.input(X)) as [Extent, Extent];
  if (typeof steps !== "number") return call.refuse("the length of its sequence follows the batch");
  if (steps > STEPS_MAX) call.refuse(`its sequence of ${steps} steps is longer than ${STEPS_MAX}`);
  const [count, , hidden] = call.fixedDims(call.input(R)) as [number, number, number];
  const backward = stringOf(node, "direction", "forward");
  const made = Array.from({ length: count }, (_, d) => {
    const reversed = backward === "reverse" || d === 1;
    const { outputs, last } = run(directionOf(call, { d, count, gates, hidden, steps, reversed }));
    return { outputs: reversed ? outputs.toReversed() : outputs, last };
  });
  const all = made.map(({ outputs }) =>
    emit.reshape(emit.concat(outputs, 0), [steps, 1, batch, hidden])
  );
  const kinds = made[0]!.last.map((_, kind) => emit.concat(made.map(({ last }) => last[kind]!), 0));
  return [emit.concat(all, 1), ...kinds];
}

function refuseForms(call: Call, activations: readonly string[]): void {
  const { node } = call;
  const names = node.attributes["activations"];
  const count = stringOf(node, "direction", "forward") === "bidirectional" ? 2 : 1;
  const usual = Array.from({ length: count }, () => activations).flat();
  if (names?.type === "strings" && names.value.join() !== usual.join()) {
    call.refuse(`its activations ${names.value.join(", ")}; known are ${usual.join(", ")}`);
  }
  if (call.has(LENGTHS)) {
    call.refuse("sequences of different lengths (sequence_lens); pad and mask");
  }
  if (call.has(7)) call.refuse("peephole connections (input 7)");
  if ("clip" in node.attributes) call.refuse("clipped gates (clip)");
  if (intOf(node, "input_forget", 0) !== 0) call.refuse("coupled gates (input_forget)");
  if (intOf(node, "layout", 0) !== 0) call.refuse("the batch in front (layout = 1)");
}

function directionOf(
  call: Call,
  o: {
    readonly d: number;
    readonly count: number;
    readonly gates: number;
    readonly hidden: number;
    readonly steps: number;
    readonly reversed: boolean;
  },
): Direction {
  const { emit } = call;
  const { d, count, gates, hidden, steps } = o;
  /** The part of input `i` for this direction. */
  const own = (i: number) =>
    count === 1 ? call.input(i) : emit.slice(call.input(i), [d], [d + 1], [0]);
  const matrix = (i: number, columns: number) => emit.reshape(own(i), [gates * hidden, columns]);
  const product = { dtype: call.dtype(call.input(X)), rankA: 3, rankB: 2, transB: true };
  const inputs = call.fixedDims(call.input(W))[2]!;
  const projected = emit.matMul(call.input(X), matrix(W, inputs), product);
  const state = matrix(R, hidden);
  const rows = (value: string, [from, to]: readonly [number, number]) =>
    from === 0 && to === gates ? value : emit.slice(value, [from * hidden], [to * hidden], [0]);
  return {
    steps: (bias) => {
      const parts = split(call, plus(call, projected, bias), steps, 0);
      return o.reversed ? parts.toReversed() : parts;
    },
    recur: (h, part = [0, gates]) => emit.matMul(h, rows(state, part), product),
    bias: (of, [from, to]) => {
      if (!call.has(B)) return undefined;
      const first = of === "input" ? 0 : gates;
      const flat = emit.reshape(own(B), [2 * gates * hidden]);
      return emit.slice(flat, [(first + from) * hidden], [(first + to) * hidden], [0]);
    },
    initial: (i) => call.has(i) && !isZero(call, call.input(i)) ? own(i) : undefined,
  };
}

/** `x` in `parts` equal parts along an axis. */
export function split({ emit }: Call, x: string, parts: number, axis: number): readonly string[] {
  if (parts === 1) return [x];
  const attributes: Record<string, number | Attribute> = { axis };
  if (emit.opset >= 18) attributes["num_outputs"] = parts;
  return emit.outputs(parts, "Split", [x], attributes);
}

/** `a` plus the values that there are. */
export function plus({ emit }: Call, a: string, ...others: (string | undefined)[]): string {
  return others.reduce<string>((sum, other) => other === undefined ? sum : emit.add(sum, other), a);
}

/** The bias of the input plus that of the state, for some gates; undefined where there is none. */
export function bothBiases(
  call: Call,
  direction: Direction,
  gates: readonly [number, number],
): string | undefined {
  const bias = direction.bias("input", gates);
  return bias === undefined ? undefined : plus(call, bias, direction.bias("state", gates));
}

/** Position of the initial hidden state; that of the LSTM's cell follows it. */
export const INITIAL_HIDDEN = INITIAL;

/** True where a value is known to hold zeros only: exporters make initial states at run time. */
function isZero(call: Call, value: string): boolean {
  const { initializers, facts } = call.around;
  const known = initializers.get(value) ?? facts.get(value)?.constant;
  if (known !== undefined) return numbers(known).every((x) => x === 0);
  const node = call.around.producer(value);
  if (node === undefined || node.domain !== "") return false;
  if (node.op === "ConstantOfShape") {
    const filled = node.attributes["value"];
    return filled?.type !== "tensor" || numbers(filled.value).every((x) => x === 0);
  }
  if (node.op === "Concat") return node.inputs.every((input) => isZero(call, input));
  return KEEPS_ZEROS.has(node.op) && isZero(call, node.inputs[0]!);
}
