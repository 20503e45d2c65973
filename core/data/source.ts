/** A place where an array lies: a file, or a part of one (`batch.npz#pixels`). */
export interface Source {
  /** Path of the file. */
  readonly path: string;
  /** What stands behind the last `#`: a member of an archive, or columns of a table. */
  readonly member?: string;
}

/** Splits `path#member`; a source without `#` is a whole file. */
export function parseSource(source: string): Source {
  const hash = source.lastIndexOf("#");
  if (hash < 0) return { path: source };
  return { path: source.slice(0, hash), member: source.slice(hash + 1) };
}

/** Kinds of data file that ravn reads. */
export type Format = "npy" | "npz" | "idx" | "csv" | "safetensors" | "parquet" | "cifar";

const PATTERNS: readonly (readonly [Format, RegExp])[] = [
  ["npy", /\.npy$/i],
  ["npz", /\.npz$/i],
  // MNIST's files are called t10k-images-idx3-ubyte.gz, train-labels.idx1-ubyte, images.idx …
  ["idx", /([.-]idx\d?|-ubyte)(-[a-z]+)?(\.gz)?$/i],
  ["csv", /\.(csv|tsv)$/i],
  ["safetensors", /\.safetensors$/i],
  ["parquet", /\.parquet$/i],
  ["cifar", /\.bin$/i],
];

/** Format of a file by its name, or undefined where the name tells none. */
export function formatOf(path: string): Format | undefined {
  return PATTERNS.find(([, pattern]) => pattern.test(path))?.[0];
}
