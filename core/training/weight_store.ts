import { elementCount } from "../onnx/mod.ts";
import type { Tensor } from "../onnx/mod.ts";
import * as kernels from "../runtime/mod.ts";
import { Arena, floatsOf, paddedSize } from "../runtime/mod.ts";
import type { Runtime, Value } from "../runtime/mod.ts";
import { eventLoop } from "../event_loop.ts";
import type { Parameter } from "./manifest.ts";
import {
  byRule,
  initialState,
  needsWholeParameters,
  optimizerSlots,
  updateParameters,
} from "./optimizer.ts";
import type { OptimizerConfig, ParameterRule } from "./optimizer.ts";
import type { StageWeights, UpdateAt } from "./stage_engine.ts";

/** Bytes that one slab of an arena may take; a group of parameters lies in one slab. */
const GROUP_BYTES_MAX = 2 ** 31;

/** What an update sweeps over at one go: about a quarter of a millisecond of Adam. */
const SLICE_FLOATS = 2 ** 17;

/** How a stage's weights are kept. */
export interface WeightStoreOptions {
  readonly runtime: Runtime;
  readonly parameters: readonly Parameter[];
  readonly initial: ReadonlyMap<string, Tensor>;
  readonly optimizer: OptimizerConfig;
  /** Copies of the weights: one a version that is in use at the same time. */
  readonly versions: number;
  /** True when several micro-batches make one update. */
  readonly accumulates: boolean;
  /** Each element of the gradients is limited to [−clipValue, clipValue] before an update. */
  readonly clipValue?: number | undefined;
  /** Sizes in bytes of more memory in the slab of a gradient, by the gradient's name. */
  readonly beside?: ReadonlyMap<string, readonly number[]> | undefined;
}

/** Parameters that lie one behind the other, 64-byte aligned, with everything an update needs. */
interface Group {
  readonly rule: ParameterRule;
  readonly parameters: readonly Parameter[];
  /** Weights by buffer. */
  readonly weights: readonly Float32Array[];
  readonly gradients: Float32Array;
  /** Gradients of a further micro-batch, to be added. */
  readonly partial: Float32Array | undefined;
  /** State of the optimizer, e.g. Adam's two moments. */
  readonly state: readonly Float32Array[];
}

/** A part of a group that is updated at one go. */
interface Slice {
  readonly rule: ParameterRule;
  /** Weights by buffer. */
  readonly weights: readonly Float32Array[];
  readonly gradients: Float32Array;
  readonly slots: readonly Float32Array[];
}

/** The tensors of one parameter, as ONNX Runtime sees them. */
interface Bound {
  readonly weights: readonly Value[];
  readonly gradient: Value;
  readonly partial: Value;
}

/**
 * A stage's weights in all versions that are in use, with gradients and optimizer state, in an
 * arena: the graphs write gradients into it and the optimizer sweeps over it, with no copy between.
 */
export class WeightStore implements StageWeights {
  readonly #clipValue: number | undefined;
  readonly #groups: readonly Group[];
  readonly #slices: readonly Slice[];
  readonly #bound = new Map<string, Bound>();
  readonly #gradients = new Map<string, Bound>();
  readonly #beside = new Map<string, readonly Uint8Array[]>();
  readonly #parameters: readonly Parameter[];

  constructor(options: WeightStoreOptions) {
    const { runtime, parameters, initial, optimizer, versions, accumulates } = options;
    const { beside = new Map<string, readonly number[]>() } = options;
    this.#clipValue = options.clipValue;
    this.#parameters = parameters;
    const copies = versions + 1 + (accumulates ? 1 : 0) + optimizerSlots(optimizer).length;
    const grouped = byRule(optimizer, parameters).flatMap(({ rule, parameters }) =>
      groupsOf(parameters, copies).map((list) => ({ rule, list }))
    );
    const besides = [...beside.values()].flat().reduce((sum, bytes) => sum + paddedSize(bytes), 0);
    const ofGroups = grouped.reduce((sum, { list }) => sum + bytesOf(list) * copies, 0);
    const arena = new Arena(ofGroups + besides);
    this.#groups = grouped.map(({ rule, list }) => {
      const lengths = new Array<number>(copies).fill(bytesOf(list));
      const more = list.flatMap(({ gradient }) => beside.get(gradient) ?? []);
      const memory = arena.allocateTogether([...lengths, ...more]);
      const arrays = memory.splice(0, copies).map(floatsOf);
      for (const { gradient } of list) {
        this.#beside.set(gradient, memory.splice(0, beside.get(gradient)?.length ?? 0));
      }
      const state = arrays.slice(versions + 1 + (accumulates ? 1 : 0));
      const start = initialState(rule.config);
      // New memory is zero, and takes no room until it is written to.
      if (start !== 0) { for (const array of state) array.fill(start); }
      return {
        rule,
        parameters: list,
        weights: arrays.slice(0, versions),
        gradients: arrays[versions]!,
        partial: accumulates ? arrays[versions + 1]! : undefined,
        state,
      };
    });
    this.#slices = this.#groups.flatMap(slicesOf);
    for (const group of this.#groups) this.#bind(runtime, group, initial);
  }

  #bind(runtime: Runtime, group: Group, initial: ReadonlyMap<string, Tensor>): void {
    for (const { name, dims, gradient, begin, end } of placed(group.parameters)) {
      const tensor = initial.get(name);
      if (tensor === undefined) throw new Error(`no initial value for "${name}"`);
      const over = (array: Float32Array) => {
        const part = array.subarray(begin, end);
        const bytes = new Uint8Array(part.buffer, part.byteOffset, part.byteLength);
        return runtime.value("float32", dims, bytes);
      };
      const first = over(group.gradients);
      const bound = {
        weights: group.weights.map(over),
        gradient: first,
        partial: group.partial === undefined ? first : over(group.partial),
      };
      bound.weights[0]!.bytes.set(tensor.bytes);
      this.#bound.set(name, bound);
      this.#gradients.set(gradient, bound);
    }
  }

  /** True when `name` is a parameter of the stage. */
  has(name: string): boolean {
    return this.#bound.has(name);
  }

  /** True when `name` is the gradient of a parameter. */
  hasGradient(name: string): boolean {
    return this.#gradients.has(name);
  }

  /** Parameter `name` in the version that lies in `buffer`. */
  tensor(buffer: number, name: string): Value {
    return this.#bound.get(name)!.weights[buffer]!;
  }

  /** Where a graph leaves a gradient: the first of an update directly, the others to be added. */
  gradient(name: string, first: boolean): Value {
    const bound = this.#gradients.get(name)!;
    return first ? bound.gradient : bound.partial;
  }

  /** The memory that was asked for beside a gradient, zeroed at first. */
  beside(gradient: string): readonly Uint8Array[] {
    return this.#beside.get(gradient) ?? [];
  }

  /** Adds the gradients of a further micro-batch to those of the update. */
  accumulate(): void {
    for (const { gradients, partial } of this.#groups) {
      if (partial === undefined) {
        throw new Error("this store was made for one micro-batch an update");
      }
      kernels.add(gradients, partial);
    }
  }

  /** The sum of the squares of all gradients of the update. */
  squaredNorm(): number {
    return this.#groups.reduce((sum, { gradients }) => sum + kernels.sumOfSquares(gradients), 0);
  }

  /**
   * Makes the weights of buffer `to` from those of `from` and the gradients; `update` is from 0.
   */
  async update(from: number, to: number, at: UpdateAt): Promise<void> {
    const isLong = this.#slices.length > 1;
    for (const { rule, weights, gradients, slots } of this.#slices) {
      // Lets messages through: gradients that have just been computed are on their way to a peer.
      if (isLong) await eventLoop();
      if (this.#clipValue !== undefined) kernels.clamp(gradients, this.#clipValue);
      const arrays = { weights: weights[from]!, out: weights[to]!, gradients, slots };
      const time = { ...at, rate: at.rate * rule.rateFactor, update: at.update + 1 };
      updateParameters<Float32Array>(kernels, rule.config, arrays, time);
    }
  }

  /** A copy of all weights in `buffer`, by name. */
  tensors(buffer: number): Map<string, Tensor> {
    return new Map(this.#parameters.map(({ name, dims }) => [
      name,
      { dtype: "float32", dims, bytes: new Uint8Array(this.tensor(buffer, name).bytes) },
    ]));
  }

  /** @see StageWeights.views */
  views(buffer: number): Map<string, Uint8Array> {
    return new Map(this.#parameters.map(({ name }) => [name, this.tensor(buffer, name).bytes]));
  }

  /** @see StageWeights.replace */
  replace(buffer: number, values: ReadonlyMap<string, Float32Array>): void {
    for (const { name } of this.#parameters) {
      floatsOf(this.tensor(buffer, name).bytes).set(values.get(name)!);
    }
  }

  /** @see StageWeights.state */
  state(): Map<string, Tensor>[] {
    return (this.#groups[0]?.state ?? []).map((_, slot) =>
      new Map(
        this.#groups.flatMap(({ parameters, state }) =>
          placed(parameters).map(({ name, dims, begin, end }) => {
            const bytes = new Uint8Array(state[slot]!.slice(begin, end).buffer);
            return [name, { dtype: "float32", dims, bytes }];
          })
        ),
      )
    );
  }

  /** @see StageWeights.replaceState */
  replaceState(slot: number, values: ReadonlyMap<string, Float32Array>): void {
    for (const { parameters, state } of this.#groups) {
      for (const { name, begin } of placed(parameters)) state[slot]!.set(values.get(name)!, begin);
    }
  }

  /** A copy of the gradients of the last update, by parameter name; for tests. */
  gradients(): Map<string, Tensor> {
    return new Map(this.#parameters.map(({ name, dims }) => [
      name,
      { dtype: "float32", dims, bytes: new Uint8Array(this.#bound.get(name)!.gradient.bytes) },
    ]));
  }

  [Symbol.dispose](): void {
    for (const { weights, gradient, partial } of this.#bound.values()) {
      for (const value of new Set([...weights, gradient, partial])) value[Symbol.dispose]();
    }
    this.#bound.clear();
  }
}

/** Parameters with their places in the arrays of their group. */
function placed(
  parameters: readonly Parameter[],
): (Parameter & { readonly begin: number; readonly end: number })[] {
  let next = 0;
  return parameters.map((parameter) => {
    const count = elementCount(parameter.dims);
    const begin = next;
    next += paddedSize(count * 4) / 4;
    return { ...parameter, begin, end: begin + count };
  });
}

function slicesOf(group: Group): Slice[] {
  return rangesOf(group).map(([begin, end]) => {
    const part = (array: Float32Array) => array.subarray(begin, end);
    const { rule, weights, gradients, state } = group;
    return {
      rule,
      weights: weights.map(part),
      gradients: part(gradients),
      slots: state.map(part),
    };
  });
}

/** The elements of a group that are updated at one go, from and to. */
function rangesOf({ rule, parameters, gradients }: Group): [begin: number, end: number][] {
  if (needsWholeParameters(rule.config)) {
    return placed(parameters).map(({ begin, end }) => [begin, end]);
  }
  const { length } = gradients;
  return Array.from({ length: Math.ceil(length / SLICE_FLOATS) }, (_, i) => {
    return [i * SLICE_FLOATS, Math.min(length, (i + 1) * SLICE_FLOATS)];
  });
}

function bytesOf(parameters: readonly Parameter[]): number {
  return parameters.reduce((sum, { dims }) => sum + paddedSize(elementCount(dims) * 4), 0);
}

/** Parameters in groups of which `copies` copies fit in one slab. */
function groupsOf(parameters: readonly Parameter[], copies: number): Parameter[][] {
  const groups: Parameter[][] = [];
  let bytes = Infinity;
  for (const parameter of parameters) {
    const size = bytesOf([parameter]) * copies;
    if (bytes + size > GROUP_BYTES_MAX) {
      groups.push([]);
      bytes = 0;
    }
    groups.at(-1)!.push(parameter);
    bytes += size;
  }
  return groups;
}
