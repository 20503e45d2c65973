/** What `ravn data` asks of the engine, and what it gets back. Paths as in `requests.ts`. */

/** Say what a data file or folder holds. */
export interface DataInfoRequest {
  readonly path: string;
  /** For text: a tokenizer.json, or "bytes". */
  readonly tokenizer?: string;
  /** Decode every picture. */
  readonly check: boolean;
}

/** One array, or one kind of picture. */
export interface DataRow {
  readonly name: string;
  readonly dtype: string;
  /** Shape of one sample. */
  readonly dims: readonly number[];
  readonly samples: number;
  /** Smallest and largest value, where the values are numbers. */
  readonly low?: number;
  readonly high?: number;
  /** Why it cannot be read as samples. */
  readonly problem?: string;
}

/** What a data file or folder holds. */
export interface DataInfoReport {
  readonly path: string;
  readonly kind: "pictures" | "text" | "arrays";
  readonly rows: readonly DataRow[];
  /** Of pictures in folders: samples by class. */
  readonly classes?: readonly { readonly name: string; readonly samples: number }[];
  /** Of text: lines, bytes, and tokens where a tokenizer was given. */
  readonly text?: {
    readonly lines: number;
    readonly bytes: number;
    readonly tokens?: number;
    readonly vocabulary?: number;
  };
  /** Pictures that cannot be read, after a check. */
  readonly damaged?: readonly string[];
}

/** Write an array, or a folder of pictures, as one file. */
export interface DataConvertRequest {
  readonly source: string;
  /** .npy, .safetensors or .parquet. */
  readonly to: string;
  /** Where the class labels of pictures go. */
  readonly labels?: string;
  /** Side to which pictures are scaled and cropped. */
  readonly size?: number;
  readonly force: boolean;
}

/** Files written, with the shape of the samples. */
export interface DataConvertReport {
  readonly files: readonly string[];
  readonly samples: number;
  readonly dtype: string;
  readonly dims: readonly number[];
}

/** Write transformed pictures as png files, to look at. */
export interface DataSampleRequest {
  readonly config?: string;
  readonly set: readonly (readonly [key: string, value: string])[];
  readonly part: "train" | "validation";
  readonly count: number;
  /** From 0. */
  readonly epoch: number;
  readonly out: string;
}

/** Files written, and what was left out. */
export interface DataSampleReport {
  readonly files: readonly string[];
  readonly warnings: readonly string[];
}

/** Data that ravn makes up. */
export const MADE_KINDS = ["sorter", "pictures", "tiny_imagenet", "cifar10", "text"] as const;
/** One of {@link MADE_KINDS}. */
export type MadeKind = typeof MADE_KINDS[number];

/** Make up data for an example. */
export interface DataMakeRequest {
  readonly kind: MadeKind;
  readonly out: string;
  /** Training samples; of text, sentences. */
  readonly samples: number;
  readonly classes: number;
  /** Of sorter: numbers of a sequence. */
  readonly length: number;
  readonly seed: number;
  readonly force: boolean;
}

/** What was made. */
export interface DataMakeReport {
  readonly out: string;
  readonly files: number;
  readonly samples: number;
  readonly validationSamples: number;
}
