import { dimsAt } from "../onnx/mod.ts";
import type { DeviceMemory, DeviceTensor } from "../runtime/mod.ts";
import type { Port } from "./manifest.ts";
import { copiesOf } from "./port_buffers.ts";
import type { Copies } from "./port_buffers.ts";

/** A port with its tensors for the largest micro-batch, one a copy. */
interface Ring {
  readonly port: Port;
  readonly whole: readonly DeviceTensor[];
}

/**
 * Memory of a device for the values of some ports, in several copies, as `PortBuffers` has it of
 * the host: allocated once for the largest micro-batch; a smaller one uses the beginning.
 */
export class DeviceBuffers implements Disposable {
  readonly #memory: DeviceMemory;
  readonly #batch: number;
  readonly #rings: ReadonlyMap<string, Ring>;
  /** Views for smaller micro-batches, by samples and value; one a copy. */
  readonly #views = new Map<number, Map<string, DeviceTensor[]>>();

  constructor(
    memory: DeviceMemory,
    ports: readonly Port[],
    options: { readonly copies: Copies; readonly batch: number },
  ) {
    const { copies, batch } = options;
    this.#memory = memory;
    this.#batch = batch;
    this.#rings = new Map(ports.map((port) => {
      const dims = dimsAt(port.dims, batch);
      const allocate = () => memory.allocate(port.dtype, dims);
      const whole = Array.from({ length: copiesOf(copies, port) }, allocate);
      return [port.value, { port, whole }];
    }));
  }

  has(value: string): boolean {
    return this.#rings.has(value);
  }

  /** The value for micro-batch `m`, of `samples` samples. */
  tensor(m: number, value: string, samples: number): DeviceTensor {
    const ring = this.#rings.get(value);
    if (ring === undefined) throw new Error(`no device buffer for "${value}"`);
    const { whole, port: { dims } } = ring;
    const copy = m % whole.length;
    if (samples === this.#batch) return whole[copy]!;
    let values = this.#views.get(samples);
    if (values === undefined) this.#views.set(samples, values = new Map());
    let copies = values.get(value);
    if (copies === undefined) values.set(value, copies = []);
    return copies[copy] ??= this.#memory.view(whole[copy]!, dimsAt(dims, samples));
  }

  [Symbol.dispose](): void {
    const views = [...this.#views.values()].flatMap((values) => [...values.values()]);
    const whole = [...this.#rings.values()].map((ring) => ring.whole);
    // Views that were never made are holes, which this passes over.
    for (const tensors of [...views, ...whole]) {
      tensors.forEach((tensor) => tensor[Symbol.dispose]());
    }
  }
}
