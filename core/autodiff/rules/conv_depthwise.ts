import type { Call } from "../call.ts";
import { area, type ConvShape } from "./conv_shape.ts";

/** True for two-dimensional convolutions of each channel by itself, without dilation. */
export function isDepthwise({ channels, filters, groups, window }: ConvShape): boolean {
  return groups > 1 && groups === channels && groups === filters &&
    window.kernel.length === 2 && area(window.dilations) === 1;
}

/**
 * dW of a depthwise convolution as a depthwise convolution of x by dy, which lie one sample above
 * the other so that the kernel runs over all of them:
 *
 * ```text
 * dW[c, i, j] = Σ over n, p, q of x[c, n R + p s + i, q s + j] dy[c, n R / s + p, q]
 * ```
 *
 * with the R rows of a sample, padding included, brought to a multiple of the stride s.
 */
export function correlatedWeight(call: Call, { channels, window }: ConvShape): string {
  const { emit, dy } = call;
  const { input, output, kernel, strides, begins } = window;
  const [height, width] = input as [number, number];
  const [high, wide] = output as [number, number];
  const [taps, across] = kernel as [number, number];
  const [down, right] = strides as [number, number];
  const rows = Math.ceil(((high - 1) * down + taps) / down) * down;
  const columns = (wide - 1) * right + across;
  const [top, left] = begins as [number, number];
  const x = emit.transpose(call.input(0), [1, 0, 2, 3]);
  const ends = [rows - height - top, columns - width - left];
  const padded = emit.pad(x, [0, 0, top, left], [0, 0, ...ends]);
  const maps = emit.transpose(dy, [1, 0, 2, 3]);
  const spaced = emit.pad(maps, [0, 0, 0, 0], [0, 0, rows / down - high, 0]);
  const image = emit.reshape(padded, [1, channels, -1, columns]);
  const filters = emit.reshape(spaced, [channels, 1, -1, wide]);
  const gradient = emit.node("Conv", [image, filters], {
    dilations: strides,
    group: channels,
    pads: [0, 0, Math.max(0, taps - down), 0],
  });
  const exact = taps >= down ? gradient : emit.slice(gradient, [0], [taps], [2]);
  return emit.reshape(exact, call.dims(call.input(1)));
}
