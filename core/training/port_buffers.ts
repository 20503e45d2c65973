import { byteCount, dimsAt } from "../onnx/mod.ts";
import type { Runtime, Value } from "../runtime/mod.ts";
import type { Port } from "./manifest.ts";

/** Takes a number of bytes from some memory, aligned as the runtime wants it. */
export type Allocate = (byteLength: number) => Uint8Array;

interface Sized {
  readonly bytes: Uint8Array;
  readonly value: Value;
}

/**
 * Memory for the values of some ports, in `slots` copies, so that several micro-batches can be
 * under way. Everything is allocated once, for the largest micro-batch; a smaller one uses the
 * beginning.
 */
export class PortBuffers implements Disposable {
  readonly #runtime: Runtime;
  readonly #ports: ReadonlyMap<string, Port>;
  readonly #memory: ReadonlyMap<string, Uint8Array>[] = [];
  readonly #sized: Map<number, Map<string, Sized>>[] = [];

  constructor(
    runtime: Runtime,
    ports: readonly Port[],
    options: { readonly slots: number; readonly batch: number; readonly allocate: Allocate },
  ) {
    this.#runtime = runtime;
    this.#ports = new Map(ports.map((port) => [port.value, port]));
    for (let slot = 0; slot < options.slots; slot++) {
      this.#memory.push(
        new Map(ports.map(({ value, dtype, dims }) => [
          value,
          options.allocate(byteCount(dtype, dimsAt(dims, options.batch))),
        ])),
      );
      this.#sized.push(new Map());
    }
  }

  /** Number of copies. */
  get slots(): number {
    return this.#memory.length;
  }

  has(value: string): boolean {
    return this.#ports.has(value);
  }

  /** The memory of `value` in slot `slot`, as long as `samples` samples take. */
  bytes(slot: number, value: string, samples: number): Uint8Array {
    return this.#at(slot, value, samples).bytes;
  }

  /** The same memory as a tensor of ONNX Runtime. */
  tensor(slot: number, value: string, samples: number): Value {
    return this.#at(slot, value, samples).value;
  }

  #at(slot: number, value: string, samples: number): Sized {
    const sizes = this.#sized[slot]!;
    let values = sizes.get(samples);
    if (values === undefined) sizes.set(samples, values = new Map());
    let sized = values.get(value);
    if (sized === undefined) values.set(value, sized = this.#size(slot, value, samples));
    return sized;
  }

  #size(slot: number, value: string, samples: number): Sized {
    const port = this.#ports.get(value);
    const memory = this.#memory[slot]?.get(value);
    if (port === undefined || memory === undefined) {
      throw new Error(`no buffer for "${value}" in slot ${slot}`);
    }
    const dims = dimsAt(port.dims, samples);
    const bytes = memory.subarray(0, byteCount(port.dtype, dims));
    return { bytes, value: this.#runtime.value(port.dtype, dims, bytes) };
  }

  [Symbol.dispose](): void {
    for (const sizes of this.#sized) {
      for (const values of sizes.values()) {
        for (const { value } of values.values()) value[Symbol.dispose]();
      }
      sizes.clear();
    }
  }
}
