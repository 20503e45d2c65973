import { intOf, intsOf, type Node } from "../../onnx/mod.ts";
import { adjointFilter, type GroupedWeight, type Kind, kindOf, wholeGroups } from "./filters.ts";
import { paddedWidth } from "./padded_width.ts";
import { BLOCKED, perAxis, type Rewriting } from "./rewriting.ts";

/** What one residue of the output positions along an axis takes: every stride-th position. */
interface Phase {
  /** Kernel elements that meet these positions, the last first. */
  readonly taps: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/**
 * The phases of a transposed convolution along one axis. Output h meets input o by kernel element i
 * where o s + i − p = h; so h = b s + c reads o = b + e − t by i = ρ + s t, with
 * ρ = (c + p) mod s and e = ⌊(c + p) / s⌋: an ordinary convolution for each c.
 */
function phasesOf(
  { input, output, kernel, stride, pad }: {
    readonly input: number;
    readonly output: number;
    readonly kernel: number;
    readonly stride: number;
    readonly pad: number;
  },
): Phase[] | undefined {
  const count = Math.ceil(output / stride);
  const phases = Array.from({ length: stride }, (_, c): Phase => {
    const first = (c + pad) % stride;
    const taps: number[] = [];
    for (let i = first; i < kernel; i += stride) taps.unshift(i);
    const begin = taps.length - 1 - Math.floor((c + pad) / stride);
    return { taps, begin, end: count - input - begin + taps.length - 1 };
  });
  const possible = phases.every(({ taps, begin, end }) =>
    taps.length > 0 && begin >= 0 && end >= 0
  );
  return possible ? phases : undefined;
}

/** A transposed convolution that the blocked kernels can compute. */
interface Adjoint extends GroupedWeight {
  readonly kind: Kind;
  readonly dims: readonly number[];
  readonly strides: readonly number[];
  readonly output: readonly number[];
  /** Along the rows and along the columns. */
  readonly phases: readonly [readonly Phase[], readonly Phase[]];
}

function adjointOf(to: Rewriting, node: Node, block: number): Adjoint | undefined {
  const [, given, bias] = node.inputs as [string, string, string | undefined];
  const known = to.sizes(given);
  const output = intsOf(node, "output_shape");
  if (bias !== undefined || known?.length !== 4 || output === undefined) return undefined;
  const whole = wholeGroups(
    to,
    { weight: given, sizes: known, groups: intOf(node, "group", 1) },
    block,
  );
  const { sizes, groups } = whole;
  if (!sizes.every((size) => size !== undefined)) return undefined;
  const [filters, perGroup, ...kernel] = sizes as [number, number, number, number];
  const kind = kindOf([filters, perGroup], groups, block);
  if (kind === undefined || kind === "shallow") return undefined;
  if (perAxis(node, "dilations", 2, 1).some((dilation) => dilation !== 1)) return undefined;
  const strides = perAxis(node, "strides", 2, 1);
  const pads = perAxis(node, "pads", 4, 0);
  if (kind === "dense" && strides.concat(kernel).every((n) => n === 1)) return undefined;
  const phases = [0, 1].map((axis) => {
    const [size, k, stride] = [output[axis]!, kernel[axis]!, strides[axis]!];
    const pad = pads[axis]!;
    const input = Math.floor((size + pad + pads[axis + 2]! - k) / stride) + 1;
    return phasesOf({ input, output: size, kernel: k, stride, pad });
  });
  const [rows, columns] = phases;
  if (rows === undefined || columns === undefined) return undefined;
  // Before opset 10 Slice takes its bounds in another way.
  const exact = output.every((size, axis) => size % strides[axis]! === 0);
  if (!exact && to.opset < 10) return undefined;
  return { ...whole, kind, dims: sizes, strides, output, phases: [rows, columns] };
}

/**
 * Writes a transposed convolution as one convolution in the blocked layout for each residue of the
 * output positions, whose results are then interleaved in runs of a block.
 *
 * @returns false where the blocked kernels cannot compute it; nothing is written then
 */
export function writeTransposed(to: Rewriting, node: Node, block: number): boolean {
  const adjoint = adjointOf(to, node, block);
  if (adjoint === undefined) return false;
  const { weight, kind, dims, groups, strides, output, phases: [rows, columns] } = adjoint;
  const channels = dims[1]! * groups;
  const dy = to.reordered(node.inputs[0]!);
  const phase = (row: Phase, column: Phase) => {
    const taps = row.taps.flatMap((i) => column.taps.map((j) => i * dims[3]! + j));
    const kernel = [row.taps.length, column.taps.length];
    const filter = adjointFilter(to, weight, { dims, kind, groups, block, taps, kernel });
    const { maps, pads } = paddedWidth(
      to,
      { maps: dy, pads: [row.begin, column.begin, row.end, column.end] },
      { kind, channels: dims[0]!, block, kernel: kernel[1], stride: 1 },
    );
    return to.node("Conv", [maps, filter], { pads, group: groups }, BLOCKED);
  };
  const joined = (values: readonly string[], width: number) =>
    values.length === 1
      ? values[0]!
      : to.node("Concat", values.map((value) => to.reshape(value, [-1, width])), { axis: 1 });
  const [high, wide] = [rows, columns].map((side, axis) =>
    Math.ceil(output[axis]! / strides[axis]!) * side.length
  ) as [number, number];
  const lines = rows.map((row) => joined(columns.map((column) => phase(row, column)), block));
  const whole = joined(lines, wide * block);
  const map = rows.length * columns.length === 1
    ? whole
    : to.reshape(whole, [-1, channels, high, wide]);
  const result = node.outputs[0]!;
  const exact = high === output[0] && wide === output[1];
  if (exact) to.emit("ReorderOutput", [map], { channels }, BLOCKED, result);
  else {
    const plain = to.node("ReorderOutput", [map], { channels }, BLOCKED);
    const [starts, axes] = [to.ints([0, 0]), to.ints([2, 3])];
    to.emit("Slice", [plain, starts, to.ints(output), axes], {}, "", result);
  }
  return true;
}
