import type { Extent, Step } from "../images/transform.ts";
import type { ArrayPlace } from "../npy.ts";

/** What is done with a sample that cannot be read: end the run, or take the next good one. */
export const ON_ERRORS = ["stop", "skip"] as const;
/** One of {@link ON_ERRORS}. */
export type OnError = typeof ON_ERRORS[number];

/** Pictures in files, decoded and transformed. */
export interface PictureRecipe {
  readonly kind: "pictures";
  readonly folder: string;
  /** Paths below the folder, by sample. */
  readonly files: readonly string[];
  readonly steps: readonly Step[];
  /** Extent behind the steps, and a file that has it, where the steps do not say it. */
  readonly extent: Extent;
  readonly like?: string | undefined;
  /** Where decoded pictures are kept, so that later epochs need not decode them again. */
  readonly kept?: KeptPictures | undefined;
}

/** Room for decoded pictures of one extent: the first samples, as many as there is room for. */
export interface KeptPictures extends Extent {
  /** A byte a sample, 1 where it is there, then the pictures: red, green, blue a pixel. */
  readonly buffer: SharedArrayBuffer;
  readonly samples: number;
}

/** Pictures in memory, transformed. */
export interface PixelRecipe {
  readonly kind: "pixels";
  /** Bytes of one picture after another. */
  readonly bytes: SharedArrayBuffer;
  readonly shape: { readonly width: number; readonly height: number; readonly channels: number };
  /** Channel after channel, or the channels of a pixel side by side. */
  readonly planar: boolean;
  readonly steps: readonly Step[];
  readonly extent: Extent;
}

/** Pairs of text segments, with tokens hidden that are to be guessed. */
export interface MaskedRecipe {
  readonly kind: "masked";
  /** Int32 token ids of all segments. */
  readonly tokens: SharedArrayBuffer;
  /** Int32 by sample: where its first segment begins, where the second does, where that ends. */
  readonly pairs: SharedArrayBuffer;
  readonly blockSize: number;
  readonly vocabulary: number;
  readonly special: {
    readonly pad: number;
    readonly cls: number;
    readonly sep: number;
    readonly mask: number;
  };
  /** Share of the tokens that is to be guessed. */
  readonly share: number;
}

/** Samples of an array that is too large for memory, read one by one. */
export interface RowRecipe extends ArrayPlace {
  readonly kind: "rows";
  readonly file: string;
}

/** How samples are made, as data that a thread can be given. */
export interface Recipe {
  readonly source: string;
  readonly count: number;
  readonly seed: number;
  readonly onError: OnError;
  readonly how: PictureRecipe | PixelRecipe | MaskedRecipe | RowRecipe;
}
