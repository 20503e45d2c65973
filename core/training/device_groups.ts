import { elementCount, numbers, tensor } from "../onnx/mod.ts";
import type { Tensor } from "../onnx/mod.ts";
import type { DeviceMemory, DeviceTensor } from "../runtime/mod.ts";
import { stateNames } from "./device_optimizer.ts";
import type { Parameter } from "./manifest.ts";
import { byRule, initialState, needsWholeParameters } from "./optimizer.ts";
import type { ParameterRule } from "./optimizer.ts";
import type { WeightStoreOptions } from "./weight_store.ts";

/** Where a parameter may begin in its group: at what an allocation of CUDA's is aligned to. */
const ALIGNMENT_BYTES = 256;

/**
 * Parameters are updated together up to so many bytes: few operators for many small ones, and no
 * great need of memory for what an update computes on the way.
 */
const GROUP_BYTES_MAX = 2 ** 24;

/** A parameter and the byte at which it begins in its group. */
export interface Placed {
  readonly parameter: Parameter;
  readonly offset: number;
}

/** Parameters one behind the other in flat float32 tensors, with everything an update needs. */
export interface Group {
  /** In the optimizer's graph. */
  readonly name: string;
  readonly rule: ParameterRule;
  readonly placed: readonly Placed[];
  /** Elements of each tensor, the gaps between parameters included. */
  readonly count: number;
  /** Weights by buffer. */
  readonly weights: readonly DeviceTensor[];
  readonly gradient: DeviceTensor;
  /** Gradients of a further micro-batch, to be added. */
  readonly partial: DeviceTensor | undefined;
  /** State of the optimizer by its name in the optimizer's graph. */
  readonly state: ReadonlyMap<string, DeviceTensor>;
}

/** How a stage's weights are kept on a device. */
export interface DeviceWeightsOptions extends WeightStoreOptions {
  readonly memory: DeviceMemory;
}

/** Allocates the tensors of all parameters, the initial weights in buffer 0. */
export async function openGroups(options: DeviceWeightsOptions): Promise<Group[]> {
  const { memory, parameters, initial, optimizer } = options;
  const groups = byRule(optimizer, parameters).flatMap(({ rule, parameters }, r) => {
    const together = memory.addressable && !needsWholeParameters(rule.config);
    return placedTogether(parameters, together)
      .map((placed, i) => allocate(options, { rule, placed, name: `${r}.${i}` }));
  });
  for (const { rule, placed, count, weights, gradient, partial, state } of groups) {
    const zeros = new Float32Array(count);
    const upload = (target: DeviceTensor, values: Float32Array) =>
      memory.upload(target, tensor("float32", [count], values));
    // The gaps too are computed on: they must not hold what is slow to compute with.
    const cleared = [
      ...weights.slice(1),
      gradient,
      ...(partial ? [partial] : []),
    ];
    for (const target of cleared) await upload(target, zeros);
    const start = new Float32Array(count).fill(initialState(rule.config));
    for (const target of state.values()) await upload(target, start);
    for (const { parameter: { name }, offset } of placed) {
      zeros.set(valuesOf(initial, name), offset / 4);
    }
    await upload(weights[0]!, zeros);
  }
  return groups;
}

/** Cuts the values of each parameter out of a group's tensor that has been downloaded. */
export function* takeApart({ placed }: Group, { bytes }: Tensor): Generator<[string, Tensor]> {
  for (const { parameter: { name, dims }, offset } of placed) {
    const part = bytes.slice(offset, offset + elementCount(dims) * 4);
    yield [name, { dtype: "float32", dims, bytes: part }];
  }
}

/** A group's tensor of the values of its parameters, to be uploaded. */
export function putTogether(
  { placed, count }: Group,
  values: ReadonlyMap<string, Float32Array>,
): Tensor {
  const whole = new Float32Array(count);
  for (const { parameter: { name }, offset } of placed) whole.set(values.get(name)!, offset / 4);
  return tensor("float32", [count], whole);
}

/** Frees a group's memory; views of it must be gone. */
export function disposeGroup({ weights, gradient, partial, state }: Group): void {
  for (const owned of [...weights, gradient, partial, ...state.values()]) {
    owned?.[Symbol.dispose]();
  }
}

function allocate(
  { memory, versions, accumulates }: DeviceWeightsOptions,
  of: Pick<Group, "rule" | "placed" | "name">,
): Group {
  const { rule, placed } = of;
  const last = placed.at(-1)!;
  const count = last.offset / 4 + elementCount(last.parameter.dims);
  const flat = () => memory.allocate("float32", [count]);
  return {
    ...of,
    count,
    weights: Array.from({ length: versions }, flat),
    gradient: flat(),
    partial: accumulates ? flat() : undefined,
    state: new Map(stateNames(rule.config).map((kind) => [kind, flat()])),
  };
}

/**
 * Parameters in groups, each in a group of its own where memory cannot be entered in the middle.
 */
export function placedTogether(parameters: readonly Parameter[], together: boolean): Placed[][] {
  const groups: Placed[][] = [];
  let end = Infinity;
  for (const parameter of parameters) {
    const size = Math.ceil(elementCount(parameter.dims) * 4 / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
    if (!together || end + size > GROUP_BYTES_MAX) {
      groups.push([]);
      end = 0;
    }
    groups.at(-1)!.push({ parameter, offset: end });
    end += size;
  }
  return groups;
}

function valuesOf(initial: ReadonlyMap<string, Tensor>, name: string): ArrayLike<number> {
  const value = initial.get(name);
  if (value === undefined) throw new Error(`no initial value for "${name}"`);
  return numbers(value);
}
