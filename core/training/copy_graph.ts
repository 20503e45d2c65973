import { GraphBuilder, writeModel } from "../onnx/mod.ts";
import type { Bindable, Binding, Runtime, Session } from "../runtime/mod.ts";
import type { Port } from "./manifest.ts";
import { shapeOf } from "./partition.ts";

/**
 * Copies values between host and device, or on the device, all in one run: a graph of Identity
 * nodes whose inputs and outputs are bound to either.
 */
export class CopyGraph implements Disposable {
  readonly #session: Session | undefined;
  readonly #values: readonly string[];
  readonly #bindings = new Map<number, Binding>();

  private constructor(session: Session | undefined, values: readonly string[]) {
    this.#session = session;
    this.#values = values;
  }

  /** Makes the graph for the values of some ports, of which there may be none. */
  static async open(runtime: Runtime, ports: readonly Port[]): Promise<CopyGraph> {
    if (ports.length === 0) return new CopyGraph(undefined, []);
    const builder = new GraphBuilder("copy");
    for (const { value, dtype, dims } of ports) {
      const shape = shapeOf(dims);
      const from = builder.input(`from.${value}`, dtype, shape);
      builder.output(
        builder.node("Identity", [from], {}, { outputs: [`to.${value}`] }),
        dtype,
        shape,
      );
    }
    const session = await runtime.session(writeModel(builder.build()), { optimize: "none" });
    return new CopyGraph(session, ports.map(({ value }) => value));
  }

  /**
   * Copies every value.
   *
   * @param key stands for the tensors that `from` and `to` give, so that they are bound once
   */
  async run(
    key: number,
    from: (value: string) => Bindable,
    to: (value: string) => Bindable,
  ): Promise<void> {
    if (this.#session === undefined) return;
    let binding = this.#bindings.get(key);
    if (binding === undefined) {
      binding = this.#session.binding();
      for (const value of this.#values) {
        binding.input(`from.${value}`, from(value));
        binding.output(`to.${value}`, to(value));
      }
      this.#bindings.set(key, binding);
    }
    await binding.execute();
  }

  [Symbol.dispose](): void {
    for (const binding of this.#bindings.values()) binding[Symbol.dispose]();
    this.#session?.[Symbol.dispose]();
  }
}
