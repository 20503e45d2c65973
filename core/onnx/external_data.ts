import type { StringStringEntryProto } from "onnx-buf";
import { RavnError } from "../error.ts";

/** Gives the bytes of a data file by its location, a path relative to the model's folder. */
export type ExternalReader = (location: string) => Uint8Array;

/**
 * Reads tensors that a model keeps in files beside itself (ONNX "external data"). Each file is
 * asked for once; tensors are views of it.
 */
export class ExternalData {
  readonly #files = new Map<string, Uint8Array>();

  constructor(readonly read: ExternalReader | undefined) {}

  /**
   * Bytes of the tensor that `entries` describe, `byteLength` of them.
   *
   * @param what names file and tensor for the error message.
   * @throws {RavnError} where the location leaves the folder or the file is too short.
   */
  bytesOf(
    entries: readonly StringStringEntryProto[],
    byteLength: number,
    what: string,
  ): Uint8Array {
    const fields = new Map(entries.map(({ key, value }) => [key, value]));
    const location = checkedLocation(fields.get("location") ?? "", what);
    const file = this.#file(location, what);
    const offset = sizeField(fields.get("offset"), "offset", what) ?? 0;
    const length = sizeField(fields.get("length"), "length", what) ?? byteLength;
    if (length !== byteLength) {
      throw new RavnError(
        `${what}: needs ${byteLength} bytes, but the model says that '${location}' has ${length}`,
      );
    }
    if (offset + length > file.byteLength) {
      throw new RavnError(
        `${what}: its data would end at byte ${offset + length} of '${location}', which has ` +
          `${file.byteLength}; copy the data file again, it may be cut short`,
      );
    }
    return file.subarray(offset, offset + length);
  }

  #file(location: string, what: string): Uint8Array {
    const known = this.#files.get(location);
    if (known !== undefined) return known;
    if (this.read === undefined) {
      throw new RavnError(`${what}: its data is in '${location}', which cannot be read from here`);
    }
    const file = this.read(location);
    this.#files.set(location, file);
    return file;
  }
}

/**
 * The location, if it stays inside the model's folder. Symbolic links are for the reader to judge.
 *
 * @throws {RavnError} for absolute paths, drive letters, `..` and empty locations.
 */
export function checkedLocation(location: string, what: string): string {
  const segments = location.split(/[/\\]/);
  const leaves = segments[0] === "" || segments.includes("..") || /^[a-z]:/i.test(location) ||
    location.includes("\0");
  if (leaves) {
    throw new RavnError(
      `${what}: the location of its data, '${location}', must be a path inside the model's folder`,
    );
  }
  return location;
}

function sizeField(text: string | undefined, key: string, what: string): number | undefined {
  if (text === undefined || text === "") return undefined;
  const size = /^\d+$/.test(text) ? Number(text) : NaN;
  if (!Number.isSafeInteger(size)) {
    throw new RavnError(`${what}: external data ${key} '${text}' is not a number of bytes`);
  }
  return size;
}
