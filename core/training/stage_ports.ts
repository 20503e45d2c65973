import type { Port, StageManifest } from "./manifest.ts";

/** The gradients of activations that a stage takes in. */
export function incomingGradients({ outputs }: StageManifest): Port[] {
  return outputs.flatMap(({ dtype, dims, to }) =>
    to.flatMap(({ gradient }) => gradient === undefined ? [] : [{ value: gradient, dtype, dims }])
  );
}

/** The gradients of activations that a stage sends back. */
export function outgoingGradients({ inputs }: StageManifest): Port[] {
  return inputs.flatMap(({ dtype, dims, gradient }) =>
    gradient === undefined ? [] : [{ value: gradient, dtype, dims }]
  );
}

/** What a stage is given: its own inputs, and on the root the data that it passes on. */
export function arrivals({ stage, inputs, relays }: StageManifest): Port[] {
  return stage === 0 ? [...inputs, ...relays] : [...inputs];
}

/** The dropout masks that a stage's graphs take as inputs. */
export function maskPorts({ masks }: StageManifest): Port[] {
  return masks.map(({ input, dims }) => ({ value: input, dtype: "float32", dims }));
}

/** What backward (or step) leaves for the gradients of the weights, where these wait. */
export function deferredPorts({ deferred = [] }: StageManifest): Port[] {
  return [...deferred];
}

/** The statistics of a batch that a stage's graphs leave. */
export function statisticPorts({ statistics }: StageManifest): Port[] {
  return statistics.map(({ batch, dims }) => ({ value: batch, dtype: "float32", dims }));
}

/** What an evaluation leaves: outputs for later stages, and the model's own. */
export function evaluationOutputs({ outputs, head }: StageManifest): Port[] {
  return head === undefined ? [...outputs] : [...outputs, head.output];
}

/** Ports by name, each once: an output may also be stashed, or be a batch statistic. */
export function distinct(ports: readonly Port[]): Port[] {
  return [...new Map(ports.map((port) => [port.value, port])).values()];
}

/** Micro-batches after which several rings of buffers all stand where they began. */
export function cycleOf(slots: readonly number[]): number {
  return slots.reduce((cycle, count) => cycle * count / greatestCommonDivisor(cycle, count), 1);
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
