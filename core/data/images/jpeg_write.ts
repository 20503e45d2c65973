import { encode } from "jpeg-js";
import type { Picture } from "./picture.ts";

const QUALITY = 92;

/** A colour picture as a baseline JPEG file. */
export function encodeJpeg({ width, height, data }: Picture): Uint8Array<ArrayBuffer> {
  const pixels = new Uint8Array(width * height * 4);
  for (let i = 0; i < width * height; i++) {
    pixels.set(data.subarray(3 * i, 3 * i + 3), 4 * i);
    pixels[4 * i + 3] = 255;
  }
  return new Uint8Array(encode({ width, height, data: pixels }, QUALITY).data);
}
