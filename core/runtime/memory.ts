/** Alignment of every buffer that a kernel or ONNX Runtime works on: one cache line. */
export const ALIGNMENT_BYTES = 64;

/** Address of the first byte of `memory`, which must be held for as long as it is used. */
export function addressOf(memory: Uint8Array): bigint {
  // Asking for the buffer moves a small array out of V8's heap, where it could be moved about.
  void memory.buffer;
  return Deno.UnsafePointer.value(Deno.UnsafePointer.of(memory as Uint8Array<ArrayBuffer>));
}

/** `byteLength` zeroed bytes that begin at a multiple of 64. */
export function alignedBytes(byteLength: number): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(byteLength + ALIGNMENT_BYTES);
  const past = Number(addressOf(whole) % BigInt(ALIGNMENT_BYTES));
  const start = past === 0 ? 0 : ALIGNMENT_BYTES - past;
  return whole.subarray(start, start + byteLength);
}

/** Frees what `alignedBytes` gave at once, and not when the collector comes to it. */
export function freeBytes(memory: Uint8Array<ArrayBuffer>): void {
  memory.buffer.transfer(0);
}
