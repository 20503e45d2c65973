import type { Extent } from "../../onnx/mod.ts";
import { intOf } from "../../onnx/mod.ts";
import { axisOf, type Call } from "../call.ts";
import { rule, type RuleEntry } from "../rule.ts";

/** Cuts `value` along `axis` into pieces as long as those of `sources`. */
function pieces(call: Call, value: string, axis: number): readonly string[] {
  const { emit, node } = call;
  const sources = node.inputs;
  const sizes: Extent[] = sources.map((source) => call.dims(source)[axis]!);
  if (sizes.every((size) => typeof size === "number")) {
    return emit.opset < 13
      ? emit.outputs(sizes.length, "Split", [value], { axis, split: sizes })
      : emit.outputs(sizes.length, "Split", [value, emit.ints(sizes)], { axis });
  }
  if (emit.opset < 13) call.refuse("it joins along the batch, which takes opset 13");
  const lengths = emit.concat(sources.map((source) => emit.dimension(source, axis)), 0);
  return emit.outputs(sizes.length, "Split", [value, lengths], { axis });
}

/** y = the inputs one after another along an axis: each gets its piece of dy. */
export const concat: RuleEntry = [
  rule((call) => {
    const rank = call.dims(call.output()).length;
    const axis = axisOf(intOf(call.node, "axis", 1), rank);
    if (call.node.inputs.length === 1) return [() => call.dy];
    return call.node.inputs.map((_, i) => () => pieces(call, call.dy, axis)[i]!);
  }, { since: 4 }),
];

/** The outputs are pieces of x along an axis: dx is their gradients joined. */
export const split: RuleEntry = [
  rule((call) => {
    const { node, emit, outputGradients } = call;
    const axis = axisOf(intOf(node, "axis", 0), call.dims(call.input(0)).length);
    return [
      () => emit.concat(outputGradients.map((dy, i) => dy ?? call.zerosLike(call.output(i))), axis),
      undefined,
    ];
  }),
];
