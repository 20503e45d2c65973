import { GraphBuilder, writeModel } from "../onnx/mod.ts";
import type { Graph, Tensor } from "../onnx/mod.ts";
import { alignedBytes, SCALARS } from "../runtime/mod.ts";
import type {
  Binding,
  DeviceMemory,
  DeviceTensor,
  GraphParameter,
  Session,
  Value,
} from "../runtime/mod.ts";
import { disposeGroup, openGroups, putTogether, takeApart } from "./device_groups.ts";
import type { DeviceWeightsOptions, Group } from "./device_groups.ts";
import { optimizerGraph, scalarsOf } from "./device_optimizer.ts";
import type { ParameterRule } from "./optimizer.ts";
import type { StageWeights, UpdateAt } from "./stage_engine.ts";

/** The tensors of one parameter: views of its group's. */
interface Bound {
  readonly weights: readonly DeviceTensor[];
  readonly gradient: DeviceTensor;
  readonly partial: DeviceTensor | undefined;
}

/** The update of the groups that have one rule. */
interface Updater {
  readonly rule: ParameterRule;
  readonly groups: readonly Group[];
  readonly session: Session;
  readonly scalars: Value;
  /** Bindings by the buffers that they read and write. */
  readonly bindings: Map<string, Binding>;
}

/** What changes weights, or looks at gradients; absent where there are none. */
interface Sessions {
  readonly updaters: readonly Updater[];
  /** Adds up gradients, where several micro-batches make one update. */
  readonly sum: Session | undefined;
  /** The sum of the squares of all gradients. */
  readonly norm: Session | undefined;
}

/**
 * A stage's weights in all versions that are in use, with gradients and optimizer state, in a
 * device's memory: graphs write gradients into it, and the optimizer is a graph over it. Nothing of
 * it crosses to the host but the copies that `tensors` and `gradients` make.
 */
export class DeviceWeights implements StageWeights {
  readonly #memory: DeviceMemory;
  readonly #groups: readonly Group[];
  /** Of the parameters, in the order in which they were given. */
  readonly #names: readonly string[];
  readonly #sessions: Sessions;
  readonly #bound = new Map<string, Bound>();
  readonly #gradients = new Map<string, Bound>();
  readonly #sum: Binding | undefined;
  readonly #norm: Binding | undefined;
  /** Where the graph leaves the sum of squares. */
  readonly #squares: Value;

  private constructor(options: DeviceWeightsOptions, groups: readonly Group[], sessions: Sessions) {
    this.#memory = options.memory;
    this.#groups = groups;
    this.#names = options.parameters.map(({ name }) => name);
    this.#sessions = sessions;
    for (const group of groups) this.#view(group);
    this.#sum = sessions.sum?.binding();
    this.#norm = sessions.norm?.binding();
    this.#squares = options.runtime.value("float32", [], alignedBytes(4));
    for (const { name, gradient, partial } of groups) {
      this.#sum?.input(`total.${name}`, gradient);
      this.#sum?.input(`part.${name}`, partial!);
      this.#sum?.output(`sum.${name}`, gradient);
      this.#norm?.input(`gradient.${name}`, gradient);
    }
    this.#norm?.output(SQUARES, this.#squares);
  }

  /** Allocates everything, uploads the initial weights, and loads the optimizer's graphs. */
  static async open(options: DeviceWeightsOptions): Promise<DeviceWeights> {
    const { runtime, accumulates } = options;
    const groups = await openGroups(options);
    const flat = groups.map(flatOf);
    const load = (graph: Graph) => runtime.session(writeModel(graph));
    const updaters: Updater[] = [];
    for (const [rule, members] of Map.groupBy(groups, ({ rule }) => rule)) {
      updaters.push(await openUpdater(options, rule, members));
    }
    const any = groups.length > 0;
    return new DeviceWeights(options, groups, {
      updaters,
      sum: any && accumulates ? await load(sumGraph(flat)) : undefined,
      norm: any && options.clipValue === undefined ? await load(normGraph(flat)) : undefined,
    });
  }

  #view(group: Group): void {
    for (const { parameter: { name, dims, gradient }, offset } of group.placed) {
      const view = (tensor: DeviceTensor) => this.#memory.view(tensor, dims, offset);
      const bound = {
        weights: group.weights.map(view),
        gradient: view(group.gradient),
        partial: group.partial && view(group.partial),
      };
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
  tensor(buffer: number, name: string): DeviceTensor {
    return this.#bound.get(name)!.weights[buffer]!;
  }

  /** Where a graph leaves a gradient: the first of an update directly, the others to be added. */
  gradient(name: string, first: boolean): DeviceTensor {
    const { gradient, partial } = this.#gradients.get(name)!;
    if (first) return gradient;
    if (partial === undefined) throw new Error("these weights take one micro-batch an update");
    return partial;
  }

  /** Adds the gradients of a further micro-batch to those of the update. */
  async accumulate(): Promise<void> {
    await this.#sum?.execute();
  }

  /** @see StageWeights.squaredNorm */
  async squaredNorm(): Promise<number> {
    if (this.#norm === undefined) return 0;
    await this.#norm.execute();
    const { buffer, byteOffset } = this.#squares.bytes;
    return new Float32Array(buffer, byteOffset, 1)[0]!;
  }

  async update(from: number, to: number, at: UpdateAt): Promise<void> {
    for (const updater of this.#sessions.updaters) {
      const { rule, scalars } = updater;
      const time = { ...at, rate: at.rate * rule.rateFactor, update: at.update + 1 };
      scalars.bytes.set(scalarsOf(rule.config, time).bytes);
      await bindingOf(updater, from, to).execute();
    }
  }

  tensors(buffer: number): Promise<Map<string, Tensor>> {
    return this.#download(({ weights }) => weights[buffer]!);
  }

  /** @see StageWeights.views */
  async views(buffer: number): Promise<Map<string, Uint8Array>> {
    const tensors = await this.tensors(buffer);
    return new Map([...tensors].map(([name, { bytes }]) => [name, bytes]));
  }

  async replace(buffer: number, values: ReadonlyMap<string, Float32Array>): Promise<void> {
    for (const group of this.#groups) {
      await this.#memory.upload(group.weights[buffer]!, putTogether(group, values));
    }
  }

  /** @see StageWeights.state */
  async state(): Promise<Map<string, Tensor>[]> {
    const slots: Map<string, Tensor>[] = [];
    for (const [slot] of [...this.#groups[0]?.state ?? []].entries()) {
      slots.push(await this.#download(({ state }) => [...state.values()][slot]!));
    }
    return slots;
  }

  /** @see StageWeights.replaceState */
  async replaceState(slot: number, values: ReadonlyMap<string, Float32Array>): Promise<void> {
    for (const group of this.#groups) {
      await this.#memory.upload([...group.state.values()][slot]!, putTogether(group, values));
    }
  }

  gradients(): Promise<Map<string, Tensor>> {
    return this.#download(({ gradient }) => gradient);
  }

  async #download(choose: (group: Group) => DeviceTensor): Promise<Map<string, Tensor>> {
    const tensors = new Map<string, Tensor>();
    for (const group of this.#groups) {
      const whole = await this.#memory.download(choose(group));
      for (const [name, part] of takeApart(group, whole)) tensors.set(name, part);
    }
    return new Map(this.#names.map((name) => [name, tensors.get(name)!]));
  }

  [Symbol.dispose](): void {
    for (const { session, scalars, bindings } of this.#sessions.updaters) {
      for (const binding of bindings.values()) binding[Symbol.dispose]();
      session[Symbol.dispose]();
      scalars[Symbol.dispose]();
    }
    for (const binding of [this.#sum, this.#norm]) binding?.[Symbol.dispose]();
    for (const session of [this.#sessions.sum, this.#sessions.norm]) session?.[Symbol.dispose]();
    this.#squares[Symbol.dispose]();
    for (const { weights, gradient, partial } of this.#bound.values()) {
      for (const view of [...weights, gradient, partial]) view?.[Symbol.dispose]();
    }
    for (const group of this.#groups) disposeGroup(group);
  }
}

/** Name of the output of `normGraph`. */
const SQUARES = "squares";

/** A group as the optimizer's graph sees it. */
function flatOf({ name, count }: Group): GraphParameter {
  return { name, dims: [count] };
}

async function openUpdater(
  { runtime, clipValue }: DeviceWeightsOptions,
  rule: ParameterRule,
  groups: readonly Group[],
): Promise<Updater> {
  const graph = optimizerGraph(rule.config, groups.map(flatOf), { clipValue });
  // Host memory for the scalars of an update, the only thing that crosses to the device for it.
  const { dims, bytes } = scalarsOf(rule.config, { rate: 0, update: 1 });
  return {
    rule,
    groups,
    session: await runtime.session(writeModel(graph)),
    scalars: runtime.value("float32", dims, alignedBytes(bytes.length)),
    bindings: new Map(),
  };
}

/** The optimizer's graph from buffer `from` to buffer `to`; the state is changed in place. */
function bindingOf({ session, scalars, groups, bindings }: Updater, from: number, to: number) {
  const key = `${from} ${to}`;
  const known = bindings.get(key);
  if (known !== undefined) return known;
  const binding = session.binding();
  bindings.set(key, binding);
  binding.input(SCALARS, scalars);
  for (const { name, weights, gradient, state } of groups) {
    binding.input(`weight.${name}`, weights[from]!);
    binding.input(`gradient.${name}`, gradient);
    binding.output(`new.weight.${name}`, weights[to]!);
    for (const [kind, tensor] of state) {
      binding.input(`${kind}.${name}`, tensor);
      binding.output(`new.${kind}.${name}`, tensor);
    }
  }
  return binding;
}

/** `squares`: the sum of the squares of all `gradient.p`. */
function normGraph(parameters: readonly GraphParameter[]): Graph {
  const builder = new GraphBuilder("norm");
  const each = parameters.map(({ name, dims }) => {
    const gradient = builder.input(`gradient.${name}`, "float32", dims);
    return builder.node("ReduceSumSquare", [gradient], { keepdims: 0 });
  });
  builder.output(builder.node("Sum", each, {}, { outputs: [SQUARES] }), "float32", []);
  return builder.build();
}

/** For each parameter p: `sum.p = total.p + part.p`; `sum.p` may lie where `total.p` does. */
function sumGraph(parameters: readonly GraphParameter[]): Graph {
  const builder = new GraphBuilder("sum");
  for (const { name, dims } of parameters) {
    const total = builder.input(`total.${name}`, "float32", dims);
    const part = builder.input(`part.${name}`, "float32", dims);
    const outputs = [`sum.${name}`];
    builder.output(builder.node("Add", [total, part], {}, { outputs }), "float32", dims);
  }
  return builder.build();
}
