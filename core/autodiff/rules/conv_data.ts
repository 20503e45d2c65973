import type { Call } from "../call.ts";
import type { Formulation } from "../formulation.ts";
import { channelsFirst, gatheredColumns, type Place, positions } from "./conv_rows.ts";
import { area, type ConvShape, isPointwise, padsWithinReach } from "./conv_shape.ts";
import { leftOver, reach, slidingAttributes, type Window } from "./window.ts";

const BEYOND = 2 ** 53 - 1;

/** Maps of up to so many positions are small: there a kernel call for each sample costs most. */
const SMALL_MAP = 16;

/** Rows of fewer channels are not worth copying one by one. */
const GATHERED_CHANNELS_MIN = 16;

/** A convolution with fewer filters leaves the machine's vectors half empty. */
const FLIPPED_CHANNELS_MIN = 8;

/** Works for every shape: the transposed convolution is the adjoint by definition. */
const transposed: Formulation = {
  name: "transposed",
  applies: () => true,
  emit: (call, { groups, window }) =>
    call.emit.node("ConvTranspose", [call.dy, call.input(1)], {
      ...slidingAttributes(window),
      group: groups,
      kernel_shape: window.kernel,
      output_padding: leftOver(window),
    }),
};

/** W[M, C/g, k] with the kernel reversed and filters and channels exchanged: [C, M/g, k]. */
function flippedWeight(call: Call, { channels, filters, groups, window }: ConvShape): string {
  const { emit } = call;
  const { kernel } = window;
  const [perGroup, each] = [channels / groups, filters / groups];
  const w = call.input(1);
  const tail = kernel.map((_, i) => i);
  const exchanged = groups === 1
    ? emit.transpose(w, [1, 0, ...tail.map((i) => i + 2)])
    : emit.reshape(
      emit.transpose(emit.reshape(w, [groups, each, perGroup, ...kernel]), [
        0,
        2,
        1,
        ...tail.map((i) => i + 3),
      ]),
      [channels, each, ...kernel],
    );
  const axes = tail.filter((i) => kernel[i]! > 1).map((i) => i + 2);
  if (axes.length === 0) return exchanged;
  const minus = axes.map(() => -1);
  return emit.slice(exchanged, minus, axes.map(() => -BEYOND), axes, minus);
}

/** For stride 1: dx is a convolution of dy with the kernel reversed, padded by reach − 1 − pad. */
const flipped: Formulation = {
  name: "flipped",
  applies: (shape) => area(shape.window.strides) === 1 && padsWithinReach(shape),
  emit: (call, shape) => {
    const { window, groups } = shape;
    const covered = reach(window);
    const pads = [window.begins, window.ends].flatMap((side) =>
      side.map((n, i) => covered[i]! - 1 - n)
    );
    const attributes = { dilations: window.dilations, group: groups, kernel_shape: window.kernel };
    const weight = flippedWeight(call, shape);
    return call.emit.node("Conv", [call.dy, weight], { ...attributes, pads });
  },
};

/** A kernel of one element: dx[n] = Wᵀ dy[n] for matrices W[M, C] and dy[n] = [M, P]. */
const pointwise: Formulation = {
  name: "pointwise",
  applies: (shape) => isPointwise(shape) && shape.groups === 1,
  emit: (call, { filters, channels, window }) => {
    const { emit, dy, type } = call;
    const [samples] = call.dims(call.output());
    const weight = emit.reshape(call.input(1), [filters, channels]);
    const maps = emit.reshape(dy, [samples!, filters, area(window.output)]);
    const o = { dtype: type, rankA: 2, rankB: 3, transA: true };
    return emit.reshape(emit.matMul(weight, maps, o), [samples!, channels, ...window.input]);
  },
};

/** For each element of the input and each kernel element, the output that they have in common. */
function outputsReading(window: Window): Place[][] {
  const { input, output, kernel, strides, dilations, begins } = window;
  const taps = positions(kernel);
  return positions(input).map((at) =>
    taps.map((tap) => {
      const place = at.map((x, i) => (x + begins[i]! - tap[i]! * dilations[i]!) / strides[i]!);
      const inside = place.every((o, i) => Number.isInteger(o) && o >= 0 && o < output[i]!);
      return inside ? place : undefined;
    })
  );
}

/** One product over all samples and positions: columns of dy, gathered by rows, times W. */
const gathered: Formulation = {
  name: "gathered",
  applies: ({ groups }) => groups === 1,
  emit: (call, { filters, channels, window }) => {
    const { emit, dy } = call;
    const columns = gatheredColumns(
      call,
      dy,
      call.dims(call.output()),
      outputsReading(window),
    );
    const taps = area(window.kernel);
    const stack = emit.reshape(call.input(1), [filters, channels, taps]);
    const weight = emit.reshape(emit.transpose(stack, [2, 0, 1]), [taps * filters, channels]);
    const rows = emit.node("MatMul", [columns, weight]);
    return channelsFirst(call, rows, call.dims(call.input(0)));
  },
};

/** The ways to write the gradient of a convolution's input. */
export const dataFormulations: readonly Formulation[] = [pointwise, gathered, flipped, transposed];

/**
 * The way that is used unless something else was measured. Columns cost most: `flipped` makes M k of
 * them for each input position, `transposed` C k for each output position, but on one thread.
 */
export function preferredData(shape: ConvShape): Formulation {
  const { channels, filters, groups, window } = shape;
  if (pointwise.applies(shape)) return pointwise;
  const small = area(window.input) <= SMALL_MAP;
  if (small && groups === 1 && filters >= GATHERED_CHANNELS_MIN) return gathered;
  const few = filters * area(window.input) <= 1.5 * channels * area(window.output);
  const wide = groups > 1 || channels >= FLIPPED_CHANNELS_MIN;
  return flipped.applies(shape) && few && wide ? flipped : transposed;
}
