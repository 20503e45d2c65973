/** Width and height in pixels: one number for a square, or [height, width]. */
export type Size = number | readonly [height: number, width: number];

/** A step that turns one picture into another. Lengths are in pixels. */
export type Step =
  /**
   * A random box of `scale` (share of the area) and `ratio` (width to height, uniform in its
   * logarithm), scaled to `size`; as torchvision's RandomResizedCrop (Szegedy et al. 2015).
   */
  | {
    readonly type: "random_resized_crop";
    readonly size: Size;
    readonly scale: readonly [number, number];
    readonly ratio: readonly [number, number];
  }
  /** Scales to `size`; one number is the length of the shorter side. */
  | { readonly type: "resize"; readonly size: Size }
  | { readonly type: "center_crop"; readonly size: Size }
  /** A random box of `size` out of the picture with `padding` black pixels around it. */
  | { readonly type: "random_crop"; readonly size: Size; readonly padding: number }
  /** Mirrors left and right with probability `p`. */
  | { readonly type: "horizontal_flip"; readonly p: number }
  | { readonly type: "grey" }
  /** Values from 0..255 to [0, 1]. */
  | { readonly type: "scale" }
  /** Values v in [0, 1] to (v − mean) / std, a number for each channel; scales first. */
  | {
    readonly type: "normalise";
    readonly mean: readonly number[];
    readonly std: readonly number[];
  };

/** Extent of a picture in pixels. */
export interface Extent {
  readonly width: number;
  readonly height: number;
}

/** A size as width and height. */
export function extentOf(size: Size): Extent {
  return typeof size === "number"
    ? { width: size, height: size }
    : { width: size[1], height: size[0] };
}

/** The extent to which `resize` scales: the shorter side to `size`, or both as given. */
export function resizedExtent(from: Extent, size: Size): Extent {
  if (typeof size !== "number") return extentOf(size);
  const { width, height } = from;
  if (width <= height) return { width: size, height: Math.trunc(size * height / width) };
  return { width: Math.trunc(size * width / height), height: size };
}

/** Extent behind all steps, for pictures of extent `from`. */
export function extentAfter(steps: readonly Step[], from: Extent): Extent {
  return steps.reduce((extent, step) => {
    if (step.type === "resize") return resizedExtent(extent, step.size);
    return "size" in step ? extentOf(step.size) : extent;
  }, from);
}

/** True where the steps make pictures of any extent equally large. */
export function makesEqual(steps: readonly Step[]): boolean {
  return steps.some((step) =>
    "size" in step && (step.type !== "resize" || typeof step.size !== "number")
  );
}

/** Channels behind all steps. */
export function channelsAfter(steps: readonly Step[], channels: number): number {
  return steps.some(({ type }) => type === "grey") ? 1 : channels;
}

/** What the last steps do to a value: v·factor + offset, by channel. */
export interface Linear {
  readonly factor: readonly number[];
  readonly offset: readonly number[];
}

/** `scale` and `normalise` as one linear function of the byte. */
export function linearOf(steps: readonly Step[], channels: number): Linear {
  const normalise = steps.find((step) => step.type === "normalise");
  const scaled = normalise !== undefined || steps.some(({ type }) => type === "scale");
  const unit = scaled ? 1 / 255 : 1;
  const at = (values: readonly number[] | undefined, c: number, standard: number) =>
    values === undefined ? standard : values[c % values.length]!;
  const every = Array.from({ length: channels }, (_, c) => c);
  return {
    factor: every.map((c) => unit / at(normalise?.std, c, 1)),
    offset: every.map((c) => -at(normalise?.mean, c, 0) / at(normalise?.std, c, 1)),
  };
}
