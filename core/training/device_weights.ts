import { GraphBuilder, writeModel } from "../onnx/mod.ts";
import type { Graph, Tensor } from "../onnx/mod.ts";
import { alignedBytes, SCALARS } from "../runtime/mod.ts";
import type {
  Binding,
  DeviceMemory,
  DeviceTensor,
  GraphParameter,
  Runtime,
  Session,
  Value,
} from "../runtime/mod.ts";
import { disposeGroup, openGroups, takeApart } from "./device_groups.ts";
import type { DeviceWeightsOptions, Group } from "./device_groups.ts";
import { optimizerGraph, scalarsOf } from "./device_optimizer.ts";
import type { OptimizerConfig } from "./optimizer.ts";
import type { StageWeights } from "./stage_engine.ts";

/** The tensors of one parameter: views of its group's. */
interface Bound {
  readonly weights: readonly DeviceTensor[];
  readonly gradient: DeviceTensor;
  readonly partial: DeviceTensor | undefined;
}

/** The graphs that change weights; absent where there are none to change. */
interface Sessions {
  readonly update: Session | undefined;
  /** Adds up gradients, where several micro-batches make one update. */
  readonly sum: Session | undefined;
}

/**
 * A stage's weights in all versions that are in use, with gradients and optimizer state, in a
 * device's memory: graphs write gradients into it, and the optimizer is a graph over it. Nothing of
 * it crosses to the host but the copies that `tensors` and `gradients` make.
 */
export class DeviceWeights implements StageWeights {
  readonly #optimizer: OptimizerConfig;
  readonly #memory: DeviceMemory;
  readonly #groups: readonly Group[];
  readonly #sessions: Sessions;
  readonly #bound = new Map<string, Bound>();
  readonly #gradients = new Map<string, Bound>();
  readonly #scalars: Value;
  readonly #sum: Binding | undefined;
  /** Bindings of updates, by the buffers that they read and write. */
  readonly #updates = new Map<string, Binding>();

  private constructor(options: DeviceWeightsOptions, groups: readonly Group[], sessions: Sessions) {
    const { runtime, memory, optimizer } = options;
    this.#optimizer = optimizer;
    this.#memory = memory;
    this.#groups = groups;
    this.#sessions = sessions;
    this.#scalars = scalarsValue(runtime, optimizer);
    for (const group of groups) this.#view(group);
    this.#sum = sessions.sum?.binding();
    for (const { name, gradient, partial } of groups) {
      this.#sum?.input(`total.${name}`, gradient);
      this.#sum?.input(`part.${name}`, partial!);
      this.#sum?.output(`sum.${name}`, gradient);
    }
  }

  /** Allocates everything, uploads the initial weights, and loads the optimizer's graphs. */
  static async open(options: DeviceWeightsOptions): Promise<DeviceWeights> {
    const { runtime, optimizer, accumulates } = options;
    const groups = await openGroups(options);
    const flat = groups.map(({ name, count }) => ({ name, dims: [count] }));
    const load = (graph: Graph) => runtime.session(writeModel(graph));
    const any = groups.length > 0;
    return new DeviceWeights(options, groups, {
      update: any ? await load(optimizerGraph(optimizer, flat)) : undefined,
      sum: any && accumulates ? await load(sumGraph(flat)) : undefined,
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

  async update(
    from: number,
    to: number,
    at: { readonly rate: number; readonly update: number },
  ): Promise<void> {
    if (this.#sessions.update === undefined) return;
    const time = { rate: at.rate, update: at.update + 1 };
    this.#scalars.bytes.set(scalarsOf(this.#optimizer, time).bytes);
    await this.#binding(this.#sessions.update, from, to).execute();
  }

  /** The optimizer's graph from buffer `from` to buffer `to`; the state is changed in place. */
  #binding(session: Session, from: number, to: number): Binding {
    const key = `${from} ${to}`;
    const known = this.#updates.get(key);
    if (known !== undefined) return known;
    const binding = session.binding();
    this.#updates.set(key, binding);
    binding.input(SCALARS, this.#scalars);
    for (const { name, weights, gradient, state } of this.#groups) {
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

  tensors(buffer: number): Promise<Map<string, Tensor>> {
    return this.#download(({ weights }) => weights[buffer]!);
  }

  gradients(): Promise<Map<string, Tensor>> {
    return this.#download(({ gradient }) => gradient);
  }

  async #download(choose: (group: Group) => DeviceTensor): Promise<Map<string, Tensor>> {
    const tensors: [string, Tensor][] = [];
    for (const group of this.#groups) {
      tensors.push(...takeApart(group, await this.#memory.download(choose(group))));
    }
    return new Map(tensors);
  }

  [Symbol.dispose](): void {
    for (const binding of this.#updates.values()) binding[Symbol.dispose]();
    this.#sum?.[Symbol.dispose]();
    this.#sessions.update?.[Symbol.dispose]();
    this.#sessions.sum?.[Symbol.dispose]();
    this.#scalars[Symbol.dispose]();
    for (const { weights, gradient, partial } of this.#bound.values()) {
      for (const view of [...weights, gradient, partial]) view?.[Symbol.dispose]();
    }
    for (const group of this.#groups) disposeGroup(group);
  }
}

/** Host memory for the scalars of an update, the only thing that crosses to the device for it. */
function scalarsValue(runtime: Runtime, optimizer: OptimizerConfig): Value {
  const { dims, bytes } = scalarsOf(optimizer, { rate: 0, update: 1 });
  return runtime.value("float32", dims, alignedBytes(bytes.length));
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
