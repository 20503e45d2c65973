import { decode } from "jpeg-js";
import { messageOf, RavnError } from "../../error.ts";
import { type Picture, PIXELS_MAX } from "./picture.ts";

/** Pixels that one byte of a JPEG file can stand for at most, with room to spare. */
const PIXELS_PER_BYTE_MAX = 1024;
/** Memory that decoding one file may take, in MB. */
const MEMORY_MB_MAX = 2048;

/** Size and number of components, as a JPEG file's frame header says. */
export interface JpegHeader {
  readonly width: number;
  readonly height: number;
  readonly components: number;
}

function damaged(file: string, what: string): RavnError {
  return new RavnError(`${file}: is a damaged jpeg: ${what}`, { exitCode: 1 });
}

/** True where `bytes` begin like a JPEG file. */
export function isJpeg(bytes: Uint8Array): boolean {
  return bytes[0] === 0xff && bytes[1] === 0xd8;
}

/**
 * Walks the markers of a JPEG file (ITU-T T.81, annex B) to its frame header.
 *
 * @throws {RavnError} naming the file, where there is none or it claims too many pixels.
 */
export function readJpegHeader(bytes: Uint8Array, file: string): JpegHeader {
  for (let at = 2; at + 9 < bytes.length;) {
    if (bytes[at] !== 0xff) throw damaged(file, `no marker stands at byte ${at}`);
    const marker = bytes[at + 1]!;
    if (marker === 0xff) {
      at += 1;
      continue;
    }
    const length = bytes[at + 2]! << 8 | bytes[at + 3]!;
    // SOF0 to SOF15, without the tables DHT, JPG and DAC that lie among them.
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
      const height = bytes[at + 5]! << 8 | bytes[at + 6]!;
      const width = bytes[at + 7]! << 8 | bytes[at + 8]!;
      const pixels = width * height;
      if (pixels === 0 || pixels > Math.min(PIXELS_MAX, bytes.length * PIXELS_PER_BYTE_MAX)) {
        throw damaged(file, `its ${bytes.length} bytes cannot hold ${width}×${height} pixels`);
      }
      return { width, height, components: bytes[at + 9]! };
    }
    at += 2 + length;
  }
  throw damaged(file, "it has no frame header");
}

/** True where the end marker stands in the last bytes; what a camera appends may follow it. */
function hasEnd(bytes: Uint8Array): boolean {
  for (let at = bytes.length - 2; at > 1; at--) {
    if (bytes[at] === 0xff && bytes[at + 1] === 0xd9) return true;
  }
  return false;
}

/**
 * Decodes a JPEG file, baseline or progressive, to red, green and blue. Chroma is enlarged by
 * repetition, so that pixels differ by a few levels from decoders that smooth it.
 *
 * @throws {RavnError} naming the file, where it is damaged or cut short.
 */
export function decodeJpeg(bytes: Uint8Array, file: string, picture: Picture): void {
  readJpegHeader(bytes, file);
  if (!hasEnd(bytes)) throw damaged(file, "it is cut short, its end marker is missing");
  try {
    const { width, height, data } = decode(bytes, {
      useTArray: true,
      formatAsRGBA: false,
      tolerantDecoding: false,
      maxResolutionInMP: PIXELS_MAX / 1e6,
      maxMemoryUsageInMB: MEMORY_MB_MAX,
    });
    Object.assign(picture, { width, height, channels: 3, data });
  } catch (thrown) {
    throw damaged(file, messageOf(thrown).slice(0, 80));
  }
}
