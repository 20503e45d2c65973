import type { Kind } from "./filters.ts";
import type { Rewriting } from "./rewriting.ts";

/** Narrower kernels reach so little into the padding that a copy of the maps costs more. */
const WIDE = 4;

/** First opset whose Pad takes its amounts as an input. */
const PAD_OPSET = 11;

/** A convolution's input and its padding: top, left, bottom, right. */
export interface Padded {
  readonly maps: string;
  readonly pads: readonly number[];
}

/**
 * The same with the columns of the padding written out, where that is faster: MLAS computes outputs
 * that meet padding on the left or right one by one, and the others six at a time. Rows of padding
 * cost nothing, for it leaves them out.
 *
 * @param o.kind `shallow` has its maps in the ordinary layout, the others in blocks
 */
export function paddedWidth(to: Rewriting, { maps, pads }: Padded, o: {
  readonly kind: Kind;
  readonly channels: number;
  readonly block: number;
  /** Columns of the kernel, and the step from one placement to the next. */
  readonly kernel: number | undefined;
  readonly stride: number;
}): Padded {
  const [top, left, bottom, right] = pads as [number, number, number, number];
  const wide = o.kernel !== undefined && o.kernel >= WIDE && o.stride === 1;
  if (!wide || left + right === 0 || to.opset < PAD_OPSET) return { maps, pads };
  const rows = [top, 0, bottom, 0];
  if (o.kind === "shallow") {
    const amounts = to.ints([0, 0, 0, left, 0, 0, 0, right]);
    return { maps: to.node("Pad", [maps, amounts]), pads: rows };
  }
  const { channels, block } = o;
  const lines = to.reshape(maps, [0, channels / block, 0, -1]);
  const amounts = to.ints([0, 0, 0, left * block, 0, 0, 0, right * block]);
  const longer = to.node("Pad", [lines, amounts]);
  return { maps: to.reshape(longer, [0, channels, 0, -1]), pads: rows };
}
