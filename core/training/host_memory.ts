import { alignedBytes } from "../runtime/mod.ts";
import type { Runtime } from "../runtime/mod.ts";
import type { Port, StageManifest } from "./manifest.ts";
import { PortBuffers } from "./port_buffers.ts";
import type { Copies } from "./port_buffers.ts";
import type { SlotCounts } from "./stage_engine.ts";
import { StageMasks } from "./stage_masks.ts";
import {
  arrivals,
  cycleOf,
  deferredPorts,
  distinct,
  evaluationOutputs,
  incomingGradients,
  maskPorts,
  outgoingGradients,
} from "./stage_ports.ts";

/** Buffers in host memory, by what they hold. */
export interface HostBuffers {
  readonly inputs: PortBuffers;
  readonly masks: StageMasks;
  /** What operations leave in host memory: outputs, and on the CPU what later ones read. */
  readonly outputs: PortBuffers;
  readonly gradientsIn: PortBuffers;
  readonly gradientsOut: PortBuffers;
  readonly validationInputs: PortBuffers;
  readonly validationOutputs: PortBuffers;
}

/**
 * The host memory of a stage engine, allocated once: what comes from data or crosses the network,
 * in as many copies as micro-batches are under way. See `StageEngine` for its methods.
 */
export abstract class HostMemory {
  protected readonly host: HostBuffers;
  /** Copies of each value that a micro-batch leaves for a later operation. */
  protected readonly copies: (port: Port) => number;
  readonly gradientSlots: number;
  /** Micro-batches after which all buffers are used again, and those of large values alone. */
  readonly #cycles: { readonly all: number; readonly large: number };

  /**
   * @param left values that operations leave in host memory for later ones, or for other stages
   * @param late values that the gradients of the weights read, where these have a graph
   */
  protected constructor(
    o: {
      readonly runtime: Runtime;
      readonly manifest: StageManifest;
      readonly slots: SlotCounts;
      readonly seed: number;
    },
    left: readonly Port[],
    late: ReadonlySet<string>,
  ) {
    const { runtime, manifest, slots, seed } = o;
    const { inFlight, outstanding, validation, deferred } = slots;
    const { arrived = inFlight, stashed = outstanding, left: kept = outstanding } = deferred ?? {};
    const { batch } = manifest;
    const make = (ports: readonly Port[], copies: Copies) =>
      new PortBuffers(runtime, distinct(ports), { copies, batch, allocate: alignedBytes });
    const made = new Set(deferredPorts(manifest).map(({ value }) => value));
    const isLate = ({ value }: Port) => late.has(value);
    this.copies = (port) => made.has(port.value) ? kept : isLate(port) ? stashed : outstanding;
    this.gradientSlots = Math.max(2, outstanding);
    this.host = {
      inputs: make(arrivals(manifest), (port) => isLate(port) ? arrived : inFlight),
      masks: new StageMasks(runtime, manifest, {
        copies: maskPorts(manifest).some(isLate) ? stashed : outstanding,
        seed,
      }),
      outputs: make(left, this.copies),
      gradientsIn: make(incomingGradients(manifest), this.copies),
      gradientsOut: make(outgoingGradients(manifest), this.gradientSlots),
      validationInputs: make(arrivals(manifest), validation),
      validationOutputs: make(evaluationOutputs(manifest), validation),
    };
    const all = [inFlight, outstanding, this.gradientSlots, arrived, stashed, kept];
    this.#cycles = {
      all: cycleOf(all),
      large: cycleOf(deferred === undefined ? all : [stashed, kept]),
    };
  }

  /** Stands for all buffers that micro-batch `m` uses. */
  protected key(m: number, samples: number): number {
    return samples * this.#cycles.all + m % this.#cycles.all;
  }

  /**
   * Stands for most buffers that micro-batch `m` uses: a graph's binding is kept for each, and told
   * of the others in each run. With all of them there could be hundreds of bindings.
   */
  protected bindingKey(m: number, samples: number): number {
    return samples * this.#cycles.large + m % this.#cycles.large;
  }

  input(m: number, value: string, samples: number): Uint8Array {
    return this.host.inputs.bytes(m, value, samples);
  }

  output(m: number, value: string, samples: number): Uint8Array {
    return this.host.outputs.bytes(m, value, samples);
  }

  gradientIn(m: number, gradient: string, samples: number): Uint8Array {
    return this.host.gradientsIn.bytes(m, gradient, samples);
  }

  gradientOut(m: number, gradient: string, samples: number): Uint8Array {
    return this.host.gradientsOut.bytes(m, gradient, samples);
  }

  validationInput(slot: number, value: string, samples: number): Uint8Array {
    return this.host.validationInputs.bytes(slot, value, samples);
  }

  validationOutput(slot: number, value: string, samples: number): Uint8Array {
    return this.host.validationOutputs.bytes(slot, value, samples);
  }
}
