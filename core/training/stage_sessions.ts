import type { Binding, Runtime, Session, SessionMemory } from "../runtime/mod.ts";
import type { DeviceModel } from "./device_form.ts";
import type { StageModels } from "./stage_engine.ts";

/** One of a stage's graphs. */
export type GraphName = keyof StageModels;

/** A stage's graphs, ready to run, with the bindings that their runs use again and again. */
export class StageSessions implements Disposable {
  readonly #sessions: ReadonlyMap<GraphName, Session>;
  readonly #bindings = new Map<GraphName, Map<number, Binding>>();

  private constructor(sessions: ReadonlyMap<GraphName, Session>) {
    this.#sessions = sessions;
  }

  /**
   * Loads all graphs that there are, on the runtime's device.
   *
   * @param o.memory see `Runtime.session`
   * @param o.prepare puts a graph into the form in which the device takes it
   */
  static async open(
    runtime: Runtime,
    models: StageModels,
    o: {
      readonly memory?: SessionMemory;
      readonly prepare?: (model: Uint8Array, file: string) => DeviceModel;
    } = {},
  ): Promise<StageSessions> {
    const { prepare = (model: Uint8Array): DeviceModel => ({ model }), ...options } = o;
    const graphs = Object.entries(models) as [GraphName, Uint8Array][];
    const sessions = await Promise.all(graphs.map(async ([name, file]) => {
      const { model, hostNodes = [] } = prepare(file, `${name}.onnx`);
      return [name, await runtime.session(model, { ...options, hostNodes })] as const;
    }));
    return new StageSessions(new Map(sessions));
  }

  /** The graph `graph`, where the stage has it: a stage without parameters has no backward. */
  session(graph: GraphName): Session | undefined {
    return this.#sessions.get(graph);
  }

  /** What the graph `graph` reads; nothing where the stage has none. */
  reads(graph: GraphName): Set<string> {
    return new Set(this.session(graph)?.inputs.map(({ name }) => name));
  }

  /** The binding of `graph` for the buffers that `key` stands for, made when it is first used. */
  binding(graph: GraphName, key: number): Binding {
    let bindings = this.#bindings.get(graph);
    if (bindings === undefined) this.#bindings.set(graph, bindings = new Map());
    let binding = bindings.get(key);
    if (binding === undefined) bindings.set(key, binding = this.#sessions.get(graph)!.binding());
    return binding;
  }

  /** Frees sessions and bindings; none may be running. */
  [Symbol.dispose](): void {
    for (const bindings of this.#bindings.values()) {
      for (const binding of bindings.values()) binding[Symbol.dispose]();
    }
    this.#bindings.clear();
    for (const session of this.#sessions.values()) session[Symbol.dispose]();
  }
}
