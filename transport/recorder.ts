import { byteCount } from "../core/onnx/tensor.ts";
import type { Receiver } from "./link.ts";
import type { Control, TensorHead } from "./message.ts";

/** What arrived over a link, in order. */
export type Event =
  | { readonly head: TensorHead; readonly data: readonly Uint8Array[] }
  | { readonly control: Control };

/** A receiver for tests: it takes everything and keeps it. */
export class Recorder implements Receiver {
  readonly events: Event[] = [];
  #places: Uint8Array[] = [];
  #waiting: { count: number; resolve: () => void } | undefined;

  place(head: TensorHead): readonly Uint8Array[] {
    this.#places = head.tensors.map(({ dtype, dims }) => new Uint8Array(byteCount(dtype, dims)));
    return this.#places;
  }

  arrived(head: TensorHead): void {
    this.#keep({ head, data: this.#places });
  }

  control(control: Control): void {
    this.#keep({ control });
  }

  /** Resolves once so many things have arrived. */
  until(count: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.events.length >= count) return resolve();
      this.#waiting = { count, resolve };
    });
  }

  #keep(event: Event): void {
    this.events.push(event);
    if (this.#waiting && this.events.length >= this.#waiting.count) this.#waiting.resolve();
  }
}

/** A head with plausible numbers. */
export function headFor(
  tensors: TensorHead["tensors"],
  changes: Partial<TensorHead> = {},
): TensorHead {
  return {
    kind: "forward",
    microBatch: 7,
    step: 3,
    weightVersion: 2,
    samples: 64,
    tensors,
    ...changes,
  };
}

/** Bytes that tell their place: a different pattern for each seed. */
export function pattern(length: number, seed = 1): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  let state = seed * 2654435761 >>> 0;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}
