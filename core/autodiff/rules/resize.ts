import { type Attribute, intOf, intsOf, stringOf, tensor } from "../../onnx/mod.ts";
import { axisOf, type Call } from "../call.ts";
import type { Shaped } from "../operations.ts";
import { rule, type RuleEntry } from "../rule.ts";
import { alongAxis } from "./axis_matrix.ts";
import { area } from "./conv_shape.ts";

/** An element of the scales where they are no constants. */
interface ComputedScale {
  readonly scales: string;
  readonly element: number;
}

/** How a node resizes one axis. */
interface Resizing {
  readonly axis: number;
  readonly input: number;
  readonly output: number;
  /** As the node gives it: a number, one that is computed, or none but sizes. */
  readonly scale: number | ComputedScale | undefined;
  /** First and last place of the region that is kept, as shares of the axis. */
  readonly region: readonly [number, number];
}

/** The axes that the arguments of the node speak of. */
function namedAxes(call: Call): number[] {
  const dims = call.dims(call.input(0));
  const given = intsOf(call.node, "axes");
  return given?.map((axis) => axisOf(axis, dims.length)) ?? dims.map((_, axis) => axis);
}

/** The scales that the node gives, one for each of its axes; undefined where it gives sizes. */
function scalesOf(call: Call): readonly (number | ComputedScale)[] | undefined {
  const attribute = call.node.attributes["scales"];
  if (attribute?.type === "floats" || attribute?.type === "ints") return attribute.value;
  const position = call.node.op === "Upsample" || call.opset < 11 ? 1 : 2;
  if (!call.has(position)) return undefined;
  const scales = call.input(position);
  const [count] = call.fixedDims(scales);
  if (count === 0) return undefined;
  return call.constant(position) ??
    Array.from({ length: count! }, (_, element) => ({ scales, element }));
}

/** The axes whose elements change, with what the node says of each. */
function resizingsOf(call: Call): Resizing[] {
  const policy = stringOf(call.node, "keep_aspect_ratio_policy", "stretch");
  if (policy !== "stretch") call.refuse(`keep_aspect_ratio_policy "${policy}"; give it scales`);
  const [x, y] = [call.dims(call.input(0)), call.dims(call.output())];
  const crops = transformationOf(call) === "tf_crop_and_resize";
  const region = crops ? call.constantOrRefuse(1, "roi") : [];
  const scales = scalesOf(call);
  const axes = namedAxes(call);
  return axes.flatMap((axis, i) => {
    const [from, to] = [region[i] ?? 0, region[axes.length + i] ?? 1];
    const [input, output] = [x[axis]!, y[axis]!];
    const scale = scales?.[i];
    const whole = from === 0 && to === 1;
    if (whole && (typeof scale === "number" ? scale === 1 : input === output)) return [];
    if (typeof input !== "number" || typeof output !== "number") {
      // With sizes or computed scales, the batch keeps its own.
      return typeof scale !== "number" && whole ? [] : call.refuse("it resizes the batch");
    }
    return [{ axis, input, output, scale, region: [from, to] }];
  });
}

function transformationOf(call: Call): string {
  const old = call.node.op === "Upsample" || call.opset < 11;
  return old ? "asymmetric" : stringOf(call.node, "coordinate_transformation_mode", "half_pixel");
}

/** The arguments of a resizing of the last of four axes, in the form of the node's operator set. */
function lastAxisArguments(
  call: Call,
  { input, output, scale, region }: Resizing,
): { inputs: readonly string[]; attributes: Record<string, Attribute> } {
  const { emit, node, opset } = call;
  const { axes: _, keep_aspect_ratio_policy: __, extrapolation_value: ___, ...attributes } =
    node.attributes;
  const floats = (values: readonly number[]) =>
    emit.constant(tensor("float32", [values.length], values));
  const factors = [1, 1, 1, typeof scale === "number" ? scale : output / input];
  const scales = () => {
    if (typeof scale !== "object") return floats(factors);
    const { element } = scale;
    const computed = emit.slice(scale.scales, [element], [element + 1], [0]);
    return emit.concat([floats([1, 1, 1]), computed], 0);
  };
  if (node.op === "Upsample" && opset < 9) {
    return {
      inputs: [],
      attributes: { ...attributes, scales: { type: "floats", value: factors } },
    };
  }
  if (node.op === "Upsample" || opset < 11) return { inputs: [scales()], attributes };
  const [from, to] = region;
  const roi = floats([0, 0, 0, from, 1, 1, 1, to]);
  if (scale !== undefined) return { inputs: [roi, scales()], attributes };
  const none = opset < 13 ? floats([]) : "";
  return { inputs: [roi, none, emit.ints([input, 1, 1, output])], attributes };
}

/**
 * The matrix of one axis, input by output: the node's own operator, applied to the unit vectors. So
 * it holds for every mode; ONNX Runtime computes it once, when the graph is loaded.
 */
function axisMatrix(call: Call, resizing: Resizing): string {
  const { emit, node, type } = call;
  const { input, output } = resizing;
  const unit = Array.from({ length: input * input }, (_, i) => i % (input + 1) === 0 ? 1 : 0);
  const vectors = emit.constant(tensor(type, [input, 1, 1, input], unit), "unit_vectors");
  const { inputs, attributes } = lastAxisArguments(call, resizing);
  const resized = emit.node(node.op, [vectors, ...inputs], attributes);
  return emit.reshape(resized, [input, output]);
}

/** True where each element becomes a block of equal ones. */
function repeats(call: Call, { input, output, scale, region }: Resizing): boolean {
  const times = output / input;
  if (!Number.isInteger(times) || (scale ?? times) !== times) return false;
  if (region[0] !== 0 || region[1] !== 1) return false;
  const { node } = call;
  if (stringOf(node, "mode", "nearest") !== "nearest") return false;
  const transformation = transformationOf(call);
  const old = node.op === "Upsample" || call.opset < 11;
  const rounding = old ? "floor" : stringOf(node, "nearest_mode", "round_prefer_floor");
  if (transformation === "asymmetric") return rounding === "floor";
  const centred = ["half_pixel", "pytorch_half_pixel"].includes(transformation);
  return centred && rounding.startsWith("round_prefer");
}

/** dx where each element became a block: the sum over the block, as its mean. */
function summedBlocks(call: Call, resizings: readonly Resizing[]): string {
  const { emit, dy, type } = call;
  const kernel = call.dims(call.input(0)).slice(2).map((_, i) => {
    const found = resizings.find(({ axis }) => axis === i + 2);
    return found === undefined ? 1 : found.output / found.input;
  });
  const mean = emit.node("AveragePool", [dy], { kernel_shape: kernel, strides: kernel });
  return emit.scale(mean, type, area(kernel));
}

function resizedBack(call: Call): string {
  const resizings = resizingsOf(call);
  const spatial = resizings.length > 0 && resizings.every(({ axis }) => axis >= 2);
  if (spatial && resizings.every((resizing) => repeats(call, resizing))) {
    return summedBlocks(call, resizings);
  }
  if (intOf(call.node, "antialias", 0) === 1 && !spatial) {
    call.refuse("antialias along the batch or the channels");
  }
  let value: Shaped = { name: call.dy, dims: call.dims(call.output()) };
  for (const resizing of resizings.toReversed()) {
    const matrix = { name: axisMatrix(call, resizing), rows: resizing.input };
    value = alongAxis(call, value, resizing.axis, matrix);
  }
  return value.name;
}

/**
 * y = x interpolated along some axes. On each axis that is a matrix m, whatever the mode, and
 * dx = dy m₁ m₂ … with the transposed ones. Scales, sizes and the region get no gradient.
 */
export const resize: RuleEntry = [
  rule((call) => [() => resizedBack(call), undefined, undefined, undefined], { since: 10 }),
];

/** What Resize was called before opset 10. */
export const upsample: RuleEntry = [
  rule((call) => [() => resizedBack(call), undefined], { since: 7, until: 9 }),
];
