import { intOf, intsOf, type Node, stringOf } from "../../onnx/mod.ts";
import { Call } from "../call.ts";
import { chosen } from "../formulation.ts";
import { rule, type RuleEntry } from "../rule.ts";
import type { ConvShape } from "./conv_shape.ts";
import { weightFormulations } from "./conv_weight.ts";
import { reach, slidingAttributes, type Window } from "./window.ts";

/**
 * The window of the convolution from dy to dx, of which y = ConvTranspose(x, W) is the adjoint. Its
 * padding is what the node crops from y; where only a size is asked for it follows from that.
 */
function windowOf(call: Call, kernel: readonly number[]): Window {
  const { node } = call;
  const [small, large] = [call.fixedDims(call.input(0), 2), call.fixedDims(call.output(), 2)];
  const ones = kernel.map(() => 1);
  const strides = intsOf(node, "strides") ?? ones;
  const dilations = intsOf(node, "dilations") ?? ones;
  const automatic = stringOf(node, "auto_pad", "NOTSET");
  const pads = intsOf(node, "pads") ?? [...ones, ...ones].map(() => 0);
  const window = { input: large, output: small, kernel, strides, dilations };
  if (automatic === "NOTSET" && intsOf(node, "output_shape") === undefined) {
    const count = kernel.length;
    return { ...window, begins: pads.slice(0, count), ends: pads.slice(count) };
  }
  const extra = intsOf(node, "output_padding") ?? ones.map(() => 0);
  const covered = reach({ ...window, begins: [], ends: [] });
  const totals = small.map((size, i) =>
    Math.max(0, (size - 1) * strides[i]! + extra[i]! + covered[i]! - large[i]!)
  );
  const lesser = totals.map((total) => Math.floor(total / 2));
  const greater = totals.map((total) => Math.ceil(total / 2));
  return automatic === "SAME_UPPER"
    ? { ...window, begins: lesser, ends: greater }
    : { ...window, begins: greater, ends: lesser };
}

/** The convolution z = Conv(dy, W) as a call, with x for its dz: its dW is that of the node. */
function adjoint(call: Call, { groups, window }: ConvShape): Call {
  const { node, around, dy } = call;
  const [x, y] = [call.input(0), call.output()];
  const attributes = { ...slidingAttributes(window), kernel_shape: window.kernel };
  const convolution: Node = {
    name: node.name,
    op: "Conv",
    domain: "",
    inputs: [dy, call.input(1)],
    outputs: [x],
    attributes: {
      ...Object.fromEntries(
        Object.entries(attributes).map(([key, value]) => [key, { type: "ints", value }]),
      ),
      group: { type: "int", value: groups },
    },
  };
  const facts = new Map(around.facts).set(dy, call.fact(y));
  return new Call(convolution, call.opset, call.emit, [x], { ...around, facts });
}

/**
 * y = x spread by a kernel, the adjoint of a convolution with the same weight: dx is that
 * convolution of dy, dW that convolution's for the input dy and the gradient x.
 */
export const convTranspose: RuleEntry = [
  rule((call) => {
    const { emit, dy, node } = call;
    const [channels, perGroup, ...kernel] = call.fixedDims(call.input(1));
    const groups = intOf(node, "group", 1);
    const window = windowOf(call, kernel);
    const shape = { channels: perGroup! * groups, filters: channels!, groups, window };
    const question = { operator: "Conv", gradient: "weight", shape } as const;
    return [
      () =>
        emit.node("Conv", [dy, call.input(1)], {
          ...slidingAttributes(window),
          group: groups,
          kernel_shape: kernel,
        }),
      () => {
        const convolution = adjoint(call, shape);
        return chosen(question, weightFormulations, convolution).emit(convolution, shape);
      },
      () => emit.reduceSum(dy, [0, ...kernel.map((_, i) => i + 2)], false),
    ];
  }),
];
