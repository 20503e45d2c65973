import type { Call } from "../call.ts";
import { area, type ConvShape } from "./conv_shape.ts";

/** True for two-dimensional convolutions without dilation, with kernels of several elements. */
export function isCorrelated({ window }: ConvShape): boolean {
  return window.kernel.length === 2 && area(window.dilations) === 1 && area(window.kernel) > 1;
}

/**
 * dW as a convolution of x by dy in which samples take the place of channels, and channels that of
 * samples:
 *
 * ```text
 * dW[m, c, i, j] = Σ over n of Σ over p, q of x[n, c, p s + i, q s + j] dy[n, m, p, q]
 * ```
 *
 * for g groups on x as [C/g, g N, H, W] and dy as [M, N, P, Q], with stride and dilation exchanged.
 */
export function correlatedSamples(call: Call, shape: ConvShape): string {
  const { emit, dy } = call;
  const { channels, filters, groups, window } = shape;
  const { input, output, kernel, strides, begins } = window;
  const perGroup = channels / groups;
  const sizes = kernel.map((k, i) => (output[i]! - 1) * strides[i]! + k);
  const ends = sizes.map((size, i) => size - input[i]! - begins[i]!);
  const [samples] = call.dims(call.input(0));
  const padded = emit.pad(call.input(0), [0, 0, ...begins], [0, 0, ...ends]);
  const stack = emit.reshape(padded, [samples!, groups, perGroup, ...sizes]);
  const turned = emit.transpose(stack, [2, 1, 0, 3, 4]);
  const image = emit.reshape(turned, [perGroup, -1, ...sizes]);
  const filter = emit.reshape(emit.transpose(dy, [1, 0, 2, 3]), [filters, -1, ...output]);
  const all = emit.node("Conv", [image, filter], { dilations: strides, group: groups });
  return emit.transpose(all, [1, 0, 2, 3]);
}
