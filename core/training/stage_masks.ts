import { byteCount, dimsAt } from "../onnx/mod.ts";
import { Arena, dropoutMask, floatsOf, paddedSize } from "../runtime/mod.ts";
import type { Device, Runtime, Value } from "../runtime/mod.ts";
import type { StageManifest } from "./manifest.ts";
import { PortBuffers } from "./port_buffers.ts";
import { maskPorts } from "./stage_ports.ts";

/**
 * Where graphs for a device should get dropout masks from: a kernel of the host writes them faster
 * than operators do, but on another device only what the operators make need not be uploaded.
 * Either kind of graph runs on every device, with the same masks.
 */
export function masksFor(device: Device): "input" | "graph" {
  return device === "cpu" ? "input" : "graph";
}

/** The dropout masks that a stage's graphs take as inputs; a kernel fills them in an arena. */
export class StageMasks implements Disposable {
  readonly #masks: StageManifest["masks"];
  readonly #seed: number;
  readonly #buffers: PortBuffers;

  /**
   * @param options.copies micro-batches whose masks are kept at the same time
   * @param options.seed seed of the masks
   */
  constructor(
    runtime: Runtime,
    manifest: StageManifest,
    options: { readonly copies: number; readonly seed: number },
  ) {
    const { batch, masks } = manifest;
    this.#masks = masks;
    this.#seed = options.seed;
    const bytes = masks.map(({ dims }) => paddedSize(byteCount("float32", dimsAt(dims, batch))));
    const arena = new Arena(options.copies * bytes.reduce((a, b) => a + b, 0));
    this.#buffers = new PortBuffers(runtime, maskPorts(manifest), {
      copies: options.copies,
      batch,
      allocate: (byteLength) => arena.allocate(byteLength),
    });
  }

  /** True when `name` is the graph input of a mask. */
  has(name: string): boolean {
    return this.#buffers.has(name);
  }

  /** Makes the masks of micro-batch `m`; they depend on nothing but the seed and `m`. */
  fill(m: number, samples: number): void {
    for (const { input, ratio, salt } of this.#masks) {
      const bytes = this.#buffers.bytes(m, input, samples);
      dropoutMask(floatsOf(bytes), { seed: this.#seed, step: m, salt, ratio });
    }
  }

  /** The mask `name` of micro-batch `m`. */
  tensor(m: number, name: string, samples: number): Value {
    return this.#buffers.tensor(m, name, samples);
  }

  [Symbol.dispose](): void {
    this.#buffers[Symbol.dispose]();
  }
}
