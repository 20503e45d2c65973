import { RavnError } from "../error.ts";
import { byteCount, dimsAt } from "../onnx/mod.ts";
import type { StageManifest } from "../training/mod.ts";
import type { Port } from "../training/mod.ts";
import type { TensorHead, TensorInfo } from "../../transport/mod.ts";

/** A tensor of a message: the port it fills, under the name it has on the wire. */
export interface Parcel {
  readonly name: string;
  readonly port: Port;
}

/** What this stage exchanges with one other stage, in the order of the wire. */
export interface Exchange {
  /** Activations, inputs and labels that this stage sends. */
  readonly sends: readonly Parcel[];
  /** Activations, inputs and labels that it receives. */
  readonly receives: readonly Parcel[];
  /** Gradients that it takes in for what it sent. */
  readonly gradientsIn: readonly Parcel[];
  /** Gradients that it sends back for what it received. */
  readonly gradientsOut: readonly Parcel[];
}

const byName = (a: Parcel, b: Parcel): number => a.name < b.name ? -1 : a.name > b.name ? 1 : 0;

/** The stages that send to this one, and those that read what it sends. */
export function neighboursOf(
  manifest: StageManifest,
): { readonly producers: number[]; readonly consumers: number[] } {
  const producers = manifest.inputs.flatMap(({ from }) => from === "data" ? [] : [from]);
  const consumers = [
    ...manifest.outputs.flatMap(({ to }) => to.map(({ stage }) => stage)),
    ...manifest.relays.flatMap(({ to }) => to),
  ];
  const sorted = (stages: number[]) => [...new Set(stages)].sort((a, b) => a - b);
  return { producers: sorted(producers), consumers: sorted(consumers) };
}

/** What this stage exchanges with stage `other`. */
export function exchangeWith(manifest: StageManifest, other: number): Exchange {
  const outputs = manifest.outputs.filter(({ to }) => to.some(({ stage }) => stage === other));
  const relays = manifest.relays.filter(({ to }) => to.includes(other));
  const inputs = manifest.inputs.filter(({ from }) => from === other);
  const parcel = (port: Port): Parcel => ({ name: port.value, port });
  return {
    sends: [...outputs, ...relays].map(parcel).sort(byName),
    receives: inputs.map(parcel).sort(byName),
    gradientsIn: outputs.flatMap(({ value, dtype, dims, to }) =>
      to.flatMap(({ stage, gradient }) =>
        stage === other && gradient !== undefined
          ? [{ name: value, port: { value: gradient, dtype, dims } }]
          : []
      )
    ).sort(byName),
    gradientsOut: inputs.flatMap(({ value, dtype, dims, gradient }) =>
      gradient === undefined ? [] : [{ name: value, port: { value: gradient, dtype, dims } }]
    ).sort(byName),
  };
}

/** Heads of messages of one kind to one stage: the tensors' descriptions are made once a size. */
export class Heads {
  readonly #kind: TensorHead["kind"];
  readonly #parcels: readonly Parcel[];
  readonly #tensors = new Map<number, readonly TensorInfo[]>();

  constructor(kind: TensorHead["kind"], parcels: readonly Parcel[]) {
    this.#kind = kind;
    this.#parcels = parcels;
  }

  /** Head of a message about `samples` samples. */
  head(of: Pick<TensorHead, "microBatch" | "step" | "weightVersion" | "samples">): TensorHead {
    return { kind: this.#kind, ...of, tensors: this.#infos(of.samples) };
  }

  #infos(samples: number): readonly TensorInfo[] {
    let infos = this.#tensors.get(samples);
    if (infos === undefined) {
      infos = this.#parcels.map(({ name, port }) => ({
        name,
        dtype: port.dtype,
        dims: dimsAt(port.dims, samples),
      }));
      this.#tensors.set(samples, infos);
    }
    return infos;
  }
}

/**
 * Checks that a message brings exactly the tensors that are expected of it.
 *
 * @param sender who sent it, for the message, e.g. `node_1 at 10.0.0.2:8081`
 * @throws {RavnError} naming the sender, the tensor, and both shapes
 */
export function checkTensors(head: TensorHead, parcels: readonly Parcel[], sender: string): void {
  if (head.tensors.length !== parcels.length) {
    throw new RavnError(
      `${sender} sent ${head.tensors.length} tensors with ${head.kind} ${head.microBatch}, ` +
        `expected ${parcels.length}: do all nodes have the same plan?`,
    );
  }
  parcels.forEach(({ name, port }, i) => {
    const info = head.tensors[i]!;
    const dims = dimsAt(port.dims, head.samples);
    const same = info.name === name && info.dtype === port.dtype &&
      info.dims.length === dims.length && dims.every((dim, axis) => dim === info.dims[axis]);
    if (same) return;
    throw new RavnError(
      `${sender} sent "${info.name}" ${info.dtype} [${info.dims}], ` +
        `expected "${name}" ${port.dtype} [${dims}] of ${byteCount(port.dtype, dims)} bytes`,
    );
  });
}
