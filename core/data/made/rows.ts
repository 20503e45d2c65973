import { messageOf, RavnError } from "../../error.ts";
import { byteCount } from "../../onnx/tensor.ts";
import { gatherOf } from "../gather.ts";
import type { Make } from "./pictures.ts";
import type { RowRecipe } from "./recipe.ts";
import type { Lane, Ring } from "./ring.ts";

/** Types whose elements are not numbers in place, so that they are converted sample by sample. */
const CONVERTED = ["int64", "uint64", "bfloat16"];

/** How samples are read from an array file, in the element type that the model takes. */
export function makeRows(how: RowRecipe, ring: Ring): Make {
  const [lane] = ring.lanes as [Lane];
  const bytes = new Uint8Array(byteCount(how.dtype, how.dims));
  const { file: source, dtype, dims, offset } = how;
  const column = { source, dtype, dims, count: 1, bytes };
  const gather = gatherOf(column, lane.dtype);
  const fresh = CONVERTED.includes(dtype) && lane.dtype !== dtype;
  const handle = openFile(source);
  const target = new Uint8Array(ring.buffer, lane.offset, lane.sampleBytes * ring.capacity);
  return (slot, sample) => {
    readAt(handle, offset + sample * bytes.length, bytes, source);
    const place = target.subarray(slot * lane.sampleBytes, (slot + 1) * lane.sampleBytes);
    (fresh ? gatherOf(column, lane.dtype) : gather)([0], place);
  };
}

/** The file stays open as long as its thread lives. */
function openFile(file: string): Deno.FsFile {
  try {
    return Deno.openSync(file, { read: true });
  } catch (thrown) {
    throw new RavnError(`${file}: cannot be read: ${messageOf(thrown)}`, { cause: thrown });
  }
}

function readAt(handle: Deno.FsFile, offset: number, bytes: Uint8Array, file: string): void {
  handle.seekSync(offset, Deno.SeekMode.Start);
  for (let filled = 0; filled < bytes.length;) {
    const count = handle.readSync(bytes.subarray(filled));
    if (count === null) {
      throw new RavnError(`${file}: became shorter while it was read`, { exitCode: 1 });
    }
    filled += count;
  }
}
