import { basename } from "node:path";
import { RavnError } from "../../error.ts";
import type { Tensor } from "../../onnx/tensor.ts";

/** Bytes of a picture: 32×32, all red values, then green, then blue. */
const PIXEL_BYTES = 3 * 32 * 32;

/** The arrays of a file in CIFAR's binary form. */
export interface CifarArrays {
  /** uint8 [n, 3, 32, 32]. */
  readonly images: Tensor;
  /** Class indices by name, uint8 [n]: `labels` of CIFAR-10, `coarse` and `fine` of CIFAR-100. */
  readonly labels: ReadonlyMap<string, Tensor>;
}

function classesOf(labels: readonly string[]): readonly number[] {
  return labels.length === 1 ? [10] : [20, 100];
}

/** True where every record of `size` bytes begins with labels in their ranges. */
function fits(bytes: Uint8Array, names: readonly string[]): boolean {
  const record = names.length + PIXEL_BYTES;
  if (bytes.length === 0 || bytes.length % record !== 0) return false;
  const limits = classesOf(names);
  for (let at = 0; at < bytes.length; at += record) {
    if (limits.some((limit, i) => bytes[at + i]! >= limit)) return false;
  }
  return true;
}

/**
 * Reads a file of the binary version of CIFAR-10 (a label, then 3072 pixels a record) or CIFAR-100
 * (coarse and fine label). A. Krizhevsky, "Learning multiple layers of features from tiny images",
 * 2009.
 *
 * @throws {RavnError} naming the file, where it holds no whole records or a label out of range.
 */
export function readCifar(bytes: Uint8Array<ArrayBuffer>, file: string): CifarArrays {
  const forms = [["labels"], ["coarse", "fine"]];
  // CIFAR-100 calls its files train.bin and test.bin.
  if (/^(train|test)\.bin$/i.test(basename(file))) forms.reverse();
  const names = forms.find((form) => fits(bytes, form));
  if (names === undefined) {
    throw new RavnError(
      `${file}: is no CIFAR file: its ${bytes.length} bytes are not records of a label (0..9) ` +
        `and ${PIXEL_BYTES} pixels, nor of two labels and as many pixels`,
    );
  }
  const record = names.length + PIXEL_BYTES;
  const count = bytes.length / record;
  const pixels = new Uint8Array(count * PIXEL_BYTES);
  const labels = names.map(() => new Uint8Array(count));
  for (let i = 0; i < count; i++) {
    const at = i * record;
    labels.forEach((column, j) => column[i] = bytes[at + j]!);
    pixels.set(bytes.subarray(at + names.length, at + record), i * PIXEL_BYTES);
  }
  return {
    images: { dtype: "uint8", dims: [count, 3, 32, 32], bytes: pixels },
    labels: new Map(
      names.map((name, j) => [name, { dtype: "uint8", dims: [count], bytes: labels[j]! }]),
    ),
  };
}
