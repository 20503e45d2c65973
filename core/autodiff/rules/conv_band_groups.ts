import type { Extent } from "../../onnx/mod.ts";
import type { Call } from "../call.ts";
import { weightFromBands } from "./conv_band.ts";
import { takenRows } from "./conv_rows.ts";
import { area, type ConvShape } from "./conv_shape.ts";

/** True for groups in one or two spatial dimensions. */
export function bandsByGroup({ groups, window }: ConvShape): boolean {
  return groups > 1 && window.kernel.length <= 2;
}

/** [N, g rows, size] with the groups in front: [g, N, rows size]. */
function groupsFirst(
  call: Call,
  value: string,
  samples: Extent,
  groups: number,
  size: number,
): string {
  const { emit } = call;
  return emit.transpose(emit.reshape(value, [samples, groups, size]), [1, 0, 2]);
}

/** x as rows of maps with the channels of a group last: [g N, rows, (w, c)]. */
function inputRows(call: Call, { channels, groups, window }: ConvShape): string {
  const { emit } = call;
  const x = call.input(0);
  const [samples] = call.dims(x);
  const each = channels / groups;
  const positions = area(window.input);
  const turned = each === 1
    ? x
    : emit.transpose(emit.reshape(x, [byGroup(samples!, groups), each, positions]), [0, 2, 1]);
  const first = groupsFirst(call, turned, samples!, groups, each * positions);
  const rows = area(window.input.slice(0, -1));
  const stack = emit.reshape(first, [byGroup(samples!, groups), rows, positions / rows * each]);
  const [begin, end] = window.input.length === 1 ? [0, 0] : [window.begins[0]!, window.ends[0]!];
  return emit.pad(stack, [0, begin, 0], [0, end, 0]);
}

function byGroup(samples: Extent, groups: number): Extent {
  return typeof samples === "number" ? samples * groups : { perSample: samples.perSample * groups };
}

/** dy as rows of maps: [g, N rows, (m, o)]. */
function gradientRows(call: Call, { filters, groups, window }: ConvShape): string {
  const { emit, dy } = call;
  const [samples] = call.dims(call.output());
  const narrow = window.output.at(-1)!;
  const rows = area(window.output.slice(0, -1));
  const each = filters / groups;
  const order = Array.from({ length: groups * rows * each }, (_, i) => {
    const [group, within] = [Math.floor(i / (rows * each)), i % (rows * each)];
    return (group * each + within % each) * rows + Math.floor(within / each);
  });
  const runs = emit.reshape(dy, [samples!, filters * rows, narrow]);
  const turned = takenRows(call, runs, filters * rows, order);
  const first = groupsFirst(call, turned, samples!, groups, rows * each * narrow);
  return emit.reshape(first, [groups, -1, each * narrow]);
}

/** The rows of x that one tap along the leading axis meets, as matrices [g, N rows, (w, c)]. */
function rowsOfTap(call: Call, stack: string, shape: ConvShape, tap: number): string {
  const { emit } = call;
  const { channels, groups, window } = shape;
  const wide = window.input.at(-1)! * channels / groups;
  if (window.input.length === 1) return emit.reshape(stack, [groups, -1, wide]);
  const [count] = window.output as [number];
  const offset = tap * window.dilations[0]!;
  const stride = window.strides[0]!;
  const padded = window.input[0]! + window.begins[0]! + window.ends[0]!;
  const places = Array.from({ length: count }, (_, o) => offset + o * stride);
  const taken = stride === 1
    ? emit.slice(stack, [offset], [offset + count], [1])
    : takenRows(call, stack, padded, places);
  return emit.reshape(taken, [groups, -1, wide]);
}

/**
 * dW of a grouped convolution: the banded product of `conv_band.ts` for each group, one for each
 * tap along the leading axis.
 */
export function bandedGroupWeight(call: Call, shape: ConvShape): string {
  const { emit, type } = call;
  const maps = gradientRows(call, shape);
  const stack = inputRows(call, shape);
  const o = { dtype: type, rankA: 3, rankB: 3, transA: true };
  const taps = area(shape.window.kernel.slice(0, -1));
  const products = Array.from(
    { length: taps },
    (_, tap) => emit.matMul(maps, rowsOfTap(call, stack, shape, tap), o),
  );
  return weightFromBands(call, shape, emit.concat(products, 2));
}
