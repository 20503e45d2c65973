import { byteCount, type DType, DTYPES, type Tensor } from "../onnx/tensor.ts";
import { RavnError } from "../error.ts";
import { swapBytes } from "./layout.ts";
import { allocate } from "./read.ts";

/** Element types by the third byte of the magic number. */
const KINDS: Readonly<Record<number, DType>> = {
  0x08: "uint8",
  0x09: "int8",
  0x0b: "int16",
  0x0c: "int32",
  0x0d: "float32",
  0x0e: "float64",
};

/** Gzip makes at most 1032 bytes of one. */
const GZIP_RATIO_MAX = 1032;

/** Reads exact lengths from a stream of pieces. */
class Puller {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #piece: Uint8Array = new Uint8Array(0);
  #used = 0;

  constructor(stream: ReadableStream<Uint8Array>) {
    this.#reader = stream.getReader();
  }

  /** Fills `target` as far as the stream goes; returns the number of bytes filled. */
  async fill(target: Uint8Array): Promise<number> {
    let filled = 0;
    while (filled < target.length) {
      if (this.#used === this.#piece.length) {
        const { value, done } = await this.#reader.read();
        if (done) break;
        this.#piece = value;
        this.#used = 0;
      }
      const part = this.#piece.subarray(this.#used, this.#used + target.length - filled);
      target.set(part, filled);
      filled += part.length;
      this.#used += part.length;
    }
    return filled;
  }

  async close(): Promise<void> {
    await this.#reader.cancel().catch(() => {});
  }
}

function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

async function readStream(pull: Puller, bytesMax: number, file: string): Promise<Tensor> {
  const magic = new Uint8Array(4);
  const got = await pull.fill(magic);
  const dtype = KINDS[magic[2]!];
  const rank = magic[3]!;
  if (got < 4 || magic[0] !== 0 || magic[1] !== 0 || dtype === undefined || rank === 0) {
    throw new RavnError(
      `${file}: is no idx file (starts with ${[...magic].join(" ")}; expected 0 0, type, rank)`,
    );
  }
  const head = new Uint8Array(4 * rank);
  if (await pull.fill(head) < head.length) {
    throw new RavnError(`${file}: ends inside its header of ${rank} dimensions`);
  }
  const sizes = new DataView(head.buffer);
  const dims = Array.from({ length: rank }, (_, axis) => sizes.getUint32(4 * axis));
  const expected = byteCount(dtype, dims);
  if (expected > bytesMax) {
    throw new RavnError(
      `${file}: a ${dtype} array [${dims}] takes ${expected} bytes, the file cannot hold them`,
    );
  }
  const bytes = allocate(expected, file);
  const filled = await pull.fill(bytes);
  if (filled < expected || await pull.fill(new Uint8Array(1)) > 0) {
    const found = filled < expected ? String(filled) : `more than ${filled}`;
    throw new RavnError(
      `${file}: a ${dtype} array [${dims}] takes ${expected} bytes, the file has ${found}`,
    );
  }
  const width = DTYPES[dtype].bytes;
  return { dtype, dims, bytes: width === 1 ? bytes : swapBytes(bytes, width) };
}

/**
 * Reads an IDX file, the format of MNIST (Y. LeCun, "The MNIST database", file formats), plain or
 * packed by gzip. Memory is taken for the array only after its size was checked.
 *
 * @throws {RavnError} when it is no such file, is damaged, or not as long as its header says.
 */
export async function readIdx(bytes: Uint8Array<ArrayBuffer>, file: string): Promise<Tensor> {
  const packed = isGzip(bytes);
  const plain = new Blob([bytes]).stream();
  const pull = new Puller(
    packed ? plain.pipeThrough(new DecompressionStream("gzip")) : plain,
  );
  try {
    return await readStream(pull, bytes.length * (packed ? GZIP_RATIO_MAX : 1), file);
  } catch (thrown) {
    if (thrown instanceof RavnError) throw thrown;
    throw new RavnError(`${file}: cannot be unpacked, it is damaged or cut short`, {
      cause: thrown,
    });
  } finally {
    await pull.close();
  }
}
