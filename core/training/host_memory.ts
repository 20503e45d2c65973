import { alignedBytes } from "../runtime/mod.ts";
import type { Runtime } from "../runtime/mod.ts";
import type { Port, StageManifest } from "./manifest.ts";
import { PortBuffers } from "./port_buffers.ts";
import type { SlotCounts } from "./stage_engine.ts";
import { StageMasks } from "./stage_masks.ts";
import {
  arrivals,
  cycleOf,
  distinct,
  evaluationOutputs,
  incomingGradients,
  outgoingGradients,
} from "./stage_ports.ts";

/** Buffers in host memory, by what they hold. */
export interface HostBuffers {
  readonly inputs: PortBuffers;
  readonly masks: StageMasks;
  /** What forward leaves in host memory: outputs, and on the CPU its stash. */
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
  /** Slots repeat after so many micro-batches. */
  protected readonly cycle: number;
  readonly #slots: SlotCounts;

  /** @param left values that forward leaves in host memory */
  protected constructor(
    o: {
      readonly runtime: Runtime;
      readonly manifest: StageManifest;
      readonly slots: SlotCounts;
      readonly seed: number;
    },
    left: readonly Port[],
  ) {
    const { runtime, manifest, slots, seed } = o;
    const { inFlight, outstanding, validation } = slots;
    const { batch } = manifest;
    const make = (ports: readonly Port[], count: number) =>
      new PortBuffers(runtime, distinct(ports), { slots: count, batch, allocate: alignedBytes });
    this.#slots = slots;
    this.host = {
      inputs: make(arrivals(manifest), inFlight),
      masks: new StageMasks(runtime, manifest, { slots: outstanding, seed }),
      outputs: make(left, outstanding),
      gradientsIn: make(incomingGradients(manifest), outstanding),
      gradientsOut: make(outgoingGradients(manifest), Math.max(2, outstanding)),
      validationInputs: make(arrivals(manifest), validation),
      validationOutputs: make(evaluationOutputs(manifest), validation),
    };
    this.cycle = cycleOf([inFlight, outstanding, this.gradientSlots]);
  }

  get gradientSlots(): number {
    return this.host.gradientsOut.slots;
  }

  input(m: number, value: string, samples: number): Uint8Array {
    return this.host.inputs.bytes(m % this.#slots.inFlight, value, samples);
  }

  output(m: number, value: string, samples: number): Uint8Array {
    return this.host.outputs.bytes(m % this.#slots.outstanding, value, samples);
  }

  gradientIn(m: number, gradient: string, samples: number): Uint8Array {
    return this.host.gradientsIn.bytes(m % this.#slots.outstanding, gradient, samples);
  }

  gradientOut(m: number, gradient: string, samples: number): Uint8Array {
    return this.host.gradientsOut.bytes(m % this.gradientSlots, gradient, samples);
  }

  validationInput(slot: number, value: string, samples: number): Uint8Array {
    return this.host.validationInputs.bytes(slot, value, samples);
  }

  validationOutput(slot: number, value: string, samples: number): Uint8Array {
    return this.host.validationOutputs.bytes(slot, value, samples);
  }
}
