import { intsOf, tensor } from "../../onnx/mod.ts";
import { rule, type RuleEntry } from "../rule.ts";
import { area } from "./conv_shape.ts";

/** For each channel one filter for every tap of the kernel that picks the element under it. */
function pickers(channels: number, taps: number): number[] {
  return Array.from({ length: channels * taps * taps }, (_, i) => {
    const [filter, tap] = [Math.floor(i / taps) % taps, i % taps];
    return filter === tap ? 1 : 0;
  });
}

/**
 * y = columns added up where their blocks overlap: dx = the blocks of dy as columns, which a
 * convolution with one filter for each element of a block writes.
 */
export const col2Im: RuleEntry = [
  rule((call) => [
    () => {
      const { emit, dy, type, node } = call;
      const block = call.constantOrRefuse(2, "block_shape");
      const [channels] = call.fixedDims(call.output(), 1);
      const ones = block.map(() => 1);
      const taps = area(block);
      const dims = [channels! * taps, 1, ...block];
      const weight = emit.constant(tensor(type, dims, pickers(channels!, taps)), "pickers");
      const columns = emit.node("Conv", [dy, weight], {
        kernel_shape: block,
        group: channels!,
        strides: intsOf(node, "strides") ?? ones,
        dilations: intsOf(node, "dilations") ?? ones,
        pads: intsOf(node, "pads") ?? [...block, ...block].map(() => 0),
      });
      return emit.reshape(columns, call.dims(call.input(0)));
    },
    undefined,
    undefined,
  ], { since: 18 }),
];
