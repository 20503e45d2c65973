import { RavnError } from "../error.ts";
import type { Tensor } from "../onnx/tensor.ts";
import { readNpy } from "./npy.ts";
import type { RangeReader } from "./read.ts";
import { listZip, readZipEntry } from "./zip.ts";

/**
 * Reads one array of a NumPy archive (`numpy.savez`, `savez_compressed`); only its bytes are read.
 *
 * @param member name of the array; it may be left out where there is only one.
 * @throws {RavnError} when the archive is damaged or has no such array; the message lists them.
 */
export async function readNpz(archive: RangeReader, member: string | undefined): Promise<Tensor> {
  const entries = (await listZip(archive)).filter(({ name }) => name.endsWith(".npy"));
  const names = entries.map(({ name }) => name.slice(0, -".npy".length));
  if (member === undefined && entries.length !== 1) {
    throw new RavnError(
      `${archive.file}: holds ${entries.length} arrays, write which one is meant: ` +
        names.map((name) => `${archive.file}#${name}`).join(", "),
    );
  }
  const entry = member === undefined ? entries[0] : entries[names.indexOf(member)];
  if (entry === undefined) {
    throw new RavnError(
      `${archive.file}: has no array "${member}"; it has ${names.join(", ") || "none"}`,
    );
  }
  const bytes = await readZipEntry(archive, entry);
  return readNpy(bytes, `${archive.file}#${entry.name.slice(0, -".npy".length)}`);
}
