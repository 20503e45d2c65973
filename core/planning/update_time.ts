/** Bytes that an optimizer's sweep reads and writes in a ms; measured on two-channel memory. */
const SWEPT_BYTES_PER_MS = 25e6;
const FLOAT_BYTES = 4;

/**
 * Time of an update by the optimizer at speed 1, ns an element: the sweep is bound by memory, reads
 * parameter, gradient and the optimizer's state, and writes parameter and state.
 *
 * @param slots optimizer state tensors for each parameter: Adam 2, plain SGD 0
 */
export function updateTime(slots: number): number {
  return (1e6 * FLOAT_BYTES * (3 + 2 * slots)) / SWEPT_BYTES_PER_MS;
}
