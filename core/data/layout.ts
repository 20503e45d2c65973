/** Element after element with its bytes in reverse: big-endian to little-endian and back. */
export function swapBytes(
  bytes: Uint8Array<ArrayBuffer>,
  width: number,
): Uint8Array<ArrayBuffer> {
  const swapped = new Uint8Array(bytes.length);
  for (let start = 0; start < bytes.length; start += width) {
    for (let i = 0; i < width; i++) swapped[start + i] = bytes[start + width - 1 - i]!;
  }
  return swapped;
}

/**
 * Elements in Fortran order (first dimension runs fastest) put into C order (last one does).
 *
 * @param dims shape of the array, rank 1 or more.
 * @param width bytes of one element.
 */
export function fromFortranOrder(
  bytes: Uint8Array<ArrayBuffer>,
  dims: readonly number[],
  width: number,
): Uint8Array<ArrayBuffer> {
  const ordered = new Uint8Array(bytes.length);
  const strides: number[] = [];
  let stride = width;
  for (const dim of dims) {
    strides.push(stride);
    stride *= dim;
  }
  const index = dims.map(() => 0);
  let from = 0;
  for (let to = 0; to < bytes.length; to += width) {
    for (let i = 0; i < width; i++) ordered[to + i] = bytes[from + i]!;
    // Count up in C order; `from` follows by the Fortran strides.
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      from += strides[axis]!;
      index[axis]! += 1;
      if (index[axis]! < dims[axis]!) break;
      from -= strides[axis]! * dims[axis]!;
      index[axis] = 0;
    }
  }
  return ordered;
}
