import { RavnError } from "../../error.ts";
import { decodeJpeg, isJpeg, readJpegHeader } from "./jpeg.ts";
import { type Picture, toColour } from "./picture.ts";
import { decodePng, isPng, readPngHeader } from "./png.ts";

/** Name endings of the files that are taken for pictures. */
export const PICTURE_NAME = /\.(png|jpe?g)$/i;

/** Largest picture file that is read, in bytes. */
export const PICTURE_BYTES_MAX = 2 ** 28;

function unknownKind(bytes: Uint8Array, file: string): RavnError {
  const what = bytes.length === 0 ? "is empty" : "is no picture that ravn reads";
  return new RavnError(`${file}: ${what}; expected png or jpeg`, { exitCode: 1 });
}

/** Width and height of a picture file, from its header alone. */
export function pictureSize(
  bytes: Uint8Array,
  file: string,
): { readonly width: number; readonly height: number } {
  if (isPng(bytes)) return readPngHeader(bytes, file);
  if (isJpeg(bytes)) return readJpegHeader(bytes, file);
  throw unknownKind(bytes, file);
}

/**
 * Decodes a png or jpeg file to red, green and blue. The content tells the kind, not the name.
 *
 * @param picture what the pixels are written to.
 * @throws {RavnError} naming the file, where it is damaged or of another kind.
 */
export function decodePicture(bytes: Uint8Array, file: string, picture: Picture): void {
  if (isPng(bytes)) decodePng(bytes, file, picture);
  else if (isJpeg(bytes)) decodeJpeg(bytes, file, picture);
  else throw unknownKind(bytes, file);
  toColour(picture);
}
