import { byteCount, dimsAt } from "../onnx/mod.ts";
import type { Runtime, Value } from "../runtime/mod.ts";
import type { Port } from "./manifest.ts";

/** Takes a number of bytes from some memory, aligned as the runtime wants it. */
export type Allocate = (byteLength: number) => Uint8Array;

/** Copies of each port's value that are kept: one number, or one for each port. */
export type Copies = number | ((port: Port) => number);

/** Copies of the value of `port`. */
export function copiesOf(copies: Copies, port: Port): number {
  return typeof copies === "number" ? copies : copies(port);
}

interface Sized {
  readonly bytes: Uint8Array;
  readonly value: Value;
}

/** A port with its memory, one array a copy. */
interface Ring {
  readonly port: Port;
  readonly memory: readonly Uint8Array[];
}

/**
 * Memory for the values of some ports, in several copies, so that several micro-batches can be
 * under way: of n copies, that of micro-batch m is used again by m + n. Everything is allocated
 * once, for the largest micro-batch; a smaller one uses the beginning.
 */
export class PortBuffers implements Disposable {
  readonly #runtime: Runtime;
  readonly #rings: ReadonlyMap<string, Ring>;
  /** By samples and value; one a copy, made when it is first used. */
  readonly #sized = new Map<number, Map<string, Sized[]>>();

  constructor(
    runtime: Runtime,
    ports: readonly Port[],
    options: { readonly copies: Copies; readonly batch: number; readonly allocate: Allocate },
  ) {
    const { copies, batch, allocate } = options;
    this.#runtime = runtime;
    this.#rings = new Map(ports.map((port) => {
      const bytes = byteCount(port.dtype, dimsAt(port.dims, batch));
      const memory = Array.from({ length: copiesOf(copies, port) }, () => allocate(bytes));
      return [port.value, { port, memory }];
    }));
  }

  has(value: string): boolean {
    return this.#rings.has(value);
  }

  /** The memory of `value` for micro-batch `m`, as long as `samples` samples take. */
  bytes(m: number, value: string, samples: number): Uint8Array {
    return this.#at(m, value, samples).bytes;
  }

  /** The same memory as a tensor of ONNX Runtime. */
  tensor(m: number, value: string, samples: number): Value {
    return this.#at(m, value, samples).value;
  }

  #at(m: number, value: string, samples: number): Sized {
    const ring = this.#rings.get(value);
    if (ring === undefined) throw new Error(`no buffer for "${value}"`);
    const copy = m % ring.memory.length;
    let values = this.#sized.get(samples);
    if (values === undefined) this.#sized.set(samples, values = new Map());
    let copies = values.get(value);
    if (copies === undefined) values.set(value, copies = []);
    return copies[copy] ??= this.#size(ring, copy, samples);
  }

  #size({ port: { dtype, dims }, memory }: Ring, copy: number, samples: number): Sized {
    const size = dimsAt(dims, samples);
    const bytes = memory[copy]!.subarray(0, byteCount(dtype, size));
    return { bytes, value: this.#runtime.value(dtype, size, bytes) };
  }

  [Symbol.dispose](): void {
    for (const values of this.#sized.values()) {
      for (const copies of values.values()) {
        // Copies that were never used are holes, which this passes over.
        copies.forEach(({ value }) => value[Symbol.dispose]());
      }
    }
    this.#sized.clear();
  }
}
