import { dimsAt } from "../onnx/mod.ts";
import type { DeviceMemory, DeviceTensor } from "../runtime/mod.ts";
import type { Port } from "./manifest.ts";

/**
 * Memory of a device for the values of some ports, in `slots` copies, as `PortBuffers` has it of
 * the host: allocated once for the largest micro-batch; a smaller one uses the beginning.
 */
export class DeviceBuffers implements Disposable {
  readonly #memory: DeviceMemory;
  readonly #batch: number;
  readonly #ports: ReadonlyMap<string, Port>;
  readonly #whole: ReadonlyMap<string, DeviceTensor>[];
  /** Views for smaller micro-batches, by slot, samples and value. */
  readonly #views: Map<number, Map<string, DeviceTensor>>[];

  constructor(
    memory: DeviceMemory,
    ports: readonly Port[],
    options: { readonly slots: number; readonly batch: number },
  ) {
    const { slots, batch } = options;
    this.#memory = memory;
    this.#batch = batch;
    this.#ports = new Map(ports.map((port) => [port.value, port]));
    this.#whole = Array.from(
      { length: slots },
      () =>
        new Map(ports.map(({ value, dtype, dims }) => [
          value,
          memory.allocate(dtype, dimsAt(dims, batch)),
        ])),
    );
    this.#views = this.#whole.map(() => new Map());
  }

  has(value: string): boolean {
    return this.#ports.has(value);
  }

  /** The value in slot `slot`, of `samples` samples. */
  tensor(slot: number, value: string, samples: number): DeviceTensor {
    const whole = this.#whole[slot]?.get(value);
    if (whole === undefined) throw new Error(`no device buffer for "${value}" in slot ${slot}`);
    if (samples === this.#batch) return whole;
    const sizes = this.#views[slot]!;
    let views = sizes.get(samples);
    if (views === undefined) sizes.set(samples, views = new Map());
    let view = views.get(value);
    if (view === undefined) {
      view = this.#memory.view(whole, dimsAt(this.#ports.get(value)!.dims, samples));
      views.set(value, view);
    }
    return view;
  }

  [Symbol.dispose](): void {
    const views = this.#views.flatMap((sizes) => [...sizes.values()]);
    for (const tensors of [...views, ...this.#whole]) {
      for (const tensor of tensors.values()) tensor[Symbol.dispose]();
    }
  }
}
