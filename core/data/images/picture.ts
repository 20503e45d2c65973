/** Rows of pixels from the top, a byte a channel: (x, y, c) lies at (y·width + x)·channels + c. */
export interface Picture {
  width: number;
  height: number;
  /** 1: grey, 3: red, green, blue. */
  channels: number;
  /** At least width · height · channels bytes; what follows is spare room. */
  data: Uint8Array;
}

/** Most pixels of a picture that is read; what claims more is refused before memory is taken. */
export const PIXELS_MAX = 2 ** 26;

/** Bytes of the pixels of a picture. */
export function pixelBytes({ width, height, channels }: Omit<Picture, "data">): number {
  return width * height * channels;
}

/** Gives `picture` room for `bytes` bytes, keeping the memory that it has where that is enough. */
export function makeRoom(picture: Picture, bytes: number): Uint8Array {
  if (picture.data.length < bytes) picture.data = new Uint8Array(bytes);
  return picture.data;
}

/** A picture of no pixels, to be written to. */
export function emptyPicture(): Picture {
  return { width: 0, height: 0, channels: 3, data: new Uint8Array(0) };
}

/** Grey as ITU-R BT.601 weighs it: L = 0.299 R + 0.587 G + 0.114 B, rounded. In place. */
export function toGrey(picture: Picture): void {
  if (picture.channels === 1) return;
  const { data, width, height } = picture;
  const pixels = width * height;
  for (let i = 0, from = 0; i < pixels; i++, from += 3) {
    const sum = 299 * data[from]! + 587 * data[from + 1]! + 114 * data[from + 2]!;
    data[i] = (sum + 500) / 1000;
  }
  picture.channels = 1;
}

/** Red, green and blue of equal value for each grey pixel. */
export function toColour(picture: Picture): void {
  if (picture.channels === 3) return;
  const pixels = picture.width * picture.height;
  const grey = picture.data;
  const data = grey.length >= 3 * pixels ? grey : new Uint8Array(3 * pixels);
  // From the end, so that no pixel is overwritten before it was read.
  for (let i = pixels - 1; i >= 0; i--) {
    const value = grey[i]!;
    data[3 * i] = value;
    data[3 * i + 1] = value;
    data[3 * i + 2] = value;
  }
  picture.data = data;
  picture.channels = 3;
}
