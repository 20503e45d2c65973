import { RavnError } from "../error.ts";
import type { DType, Tensor } from "../onnx/tensor.ts";
import { readCifar } from "./images/cifar.ts";
import { readCsv } from "./csv.ts";
import { readIdx } from "./idx.ts";
import { readNpy } from "./npy.ts";
import { readNpz } from "./npz.ts";
import { expandPattern } from "./pattern.ts";
import { allocate, openRanges, readWhole } from "./read.ts";
import { readSafetensors } from "./safetensors.ts";
import { formatOf, parseSource } from "./source.ts";

/** One array of samples, as a file holds it. */
export interface Column {
  /** Where it came from, as the user wrote it; for error messages. */
  readonly source: string;
  readonly dtype: DType;
  /** Shape of one sample; empty where a sample is one number. */
  readonly dims: readonly number[];
  /** Number of samples, 1 or more. */
  readonly count: number;
  /** The samples one after another, little-endian, row-major. Immutable. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** A tensor whose first dimension counts the samples, as a column. */
export function columnOf(tensor: Tensor, source: string): Column {
  const [count, ...dims] = tensor.dims;
  if (count === undefined) {
    throw new RavnError(`${source}: holds a single number; expected an array of samples`);
  }
  if (count === 0 || dims.includes(0)) {
    throw new RavnError(`${source}: is empty, its shape is [${tensor.dims}]; expected samples`);
  }
  return { source, dtype: tensor.dtype, dims, count, bytes: tensor.bytes };
}

async function readTensor(source: string): Promise<Tensor> {
  const { path, member } = parseSource(source);
  const format = formatOf(path);
  if (member !== undefined && (format === "npy" || format === "idx")) {
    throw new RavnError(`${source}: ${path} holds one array; write it without "#${member}"`);
  }
  switch (format) {
    case "npy":
      return readNpy(await readWhole(path), path);
    case "idx":
      return await readIdx(await readWhole(path), path);
    case "csv":
      return readCsv(await readWhole(path), path, member);
    case "npz": {
      using archive = await openRanges(path);
      return await readNpz(archive, member);
    }
    case "safetensors":
      return pick(readSafetensors(await readWhole(path), path).tensors, path, member);
    case "parquet": {
      // Its library is loaded for those who have such a table only.
      const { readParquet } = await import("./parquet.ts");
      using table = await openRanges(path);
      return await readParquet(table, member);
    }
    case "cifar": {
      const { images, labels } = readCifar(await readWhole(path), path);
      return pick(new Map([["images", images], ...labels]), path, member ?? "images");
    }
    case undefined:
      throw new RavnError(
        `${source}: unknown kind of data file; known are .npy, .npz, .csv, .tsv, .safetensors, ` +
          `.parquet, CIFAR's .bin, .idx and MNIST's -ubyte (also .gz)`,
      );
  }
}

function pick(
  tensors: ReadonlyMap<string, Tensor>,
  path: string,
  member: string | undefined,
): Tensor {
  const name = member ?? (tensors.size === 1 ? [...tensors.keys()][0] : undefined);
  const found = name === undefined ? undefined : tensors.get(name);
  if (found !== undefined) return found;
  const wanted = name === undefined ? `which one is meant` : `not "${name}"`;
  const names = [...tensors.keys()].slice(0, 20).map((key) => `${path}#${key}`).join(", ");
  throw new RavnError(`${path}: holds ${tensors.size} tensors, write ${wanted}: ${names}`);
}

/** The samples of several files one after another. */
function joined(parts: readonly Column[], source: string): Column {
  const [first, ...others] = parts as [Column, ...Column[]];
  if (others.length === 0) return first;
  for (const other of others) {
    if (other.dtype === first.dtype && sameShape(other.dims, first.dims)) continue;
    throw new RavnError(
      `${other.source}: samples are ${other.dtype} [${other.dims}], those of ${first.source} ` +
        `${first.dtype} [${first.dims}]; expected the same in all files`,
    );
  }
  const bytes = allocate(parts.reduce((sum, part) => sum + part.bytes.length, 0), source);
  let filled = 0;
  for (const part of parts) {
    bytes.set(part.bytes, filled);
    filled += part.bytes.length;
  }
  const count = parts.reduce((sum, part) => sum + part.count, 0);
  return { source, dtype: first.dtype, dims: first.dims, count, bytes };
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((dim, i) => dim === b[i]);
}

/**
 * Reads the samples of a data file; the name tells the format. Part of a file is named behind a
 * `#`: an array of an .npz or .safetensors file, columns of a table (`file.csv#x,y,3..7`), or
 * `images` and `labels` of a CIFAR file. A `*` in the name stands for several files, read in the
 * order of their numbers.
 *
 * @throws {RavnError} naming the file and what was expected.
 */
export async function readColumn(source: string): Promise<Column> {
  const { path, member } = parseSource(source);
  const parts: Column[] = [];
  for (const file of await expandPattern(path)) {
    const part = member === undefined ? file : `${file}#${member}`;
    parts.push(columnOf(await readTensor(part), part));
  }
  return joined(parts, source);
}
