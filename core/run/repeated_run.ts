import type { Point } from "../autodiff/mod.ts";
import type { Tensor } from "../onnx/mod.ts";
import { alignedBytes } from "../runtime/mod.ts";
import type { Binding, Runtime, Session, TensorView } from "../runtime/mod.ts";

/** Runs a session again and again; of the inputs only those that have changed are copied. */
export class RepeatedRun implements Disposable {
  readonly #runtime: Runtime;
  readonly #session: Session;
  readonly #binding: Binding;
  readonly #bound = new Map<string, { tensor: Tensor; readonly memory: Uint8Array }>();
  readonly #values = new DisposableStack();

  constructor(runtime: Runtime, session: Session) {
    this.#runtime = runtime;
    this.#session = session;
    this.#binding = session.binding();
    for (const { name } of session.outputs) this.#binding.outputAuto(name);
  }

  /** All outputs at `point`, whose shapes are always the same; views, valid until the next run. */
  async run(point: Point): Promise<Map<string, Tensor>> {
    for (const { name } of this.#session.inputs) this.#feed(name, point.get(name));
    await this.#binding.runAsync();
    return new Map(
      this.#session.outputs.map(({ name }) => [name, tensorOf(this.#binding.result(name))]),
    );
  }

  #feed(name: string, tensor: Tensor | undefined): void {
    if (tensor === undefined) throw new Error(`nothing feeds "${name}"`);
    const bound = this.#bound.get(name);
    if (bound?.tensor === tensor) return;
    if (bound !== undefined) {
      bound.memory.set(tensor.bytes);
      bound.tensor = tensor;
      return;
    }
    const memory = alignedBytes(tensor.bytes.byteLength);
    memory.set(tensor.bytes);
    const value = this.#values.use(this.#runtime.value(tensor.dtype, tensor.dims, memory));
    this.#binding.input(name, value);
    this.#bound.set(name, { tensor, memory });
  }

  [Symbol.dispose](): void {
    this.#binding[Symbol.dispose]();
    this.#values[Symbol.dispose]();
    this.#session[Symbol.dispose]();
  }
}

/** A tensor over the memory of a result; over a copy where that memory is shared with threads. */
function tensorOf({ dtype, dims, bytes }: TensorView): Tensor {
  const { buffer, byteOffset, byteLength } = bytes;
  const own = buffer instanceof ArrayBuffer
    ? new Uint8Array(buffer, byteOffset, byteLength)
    : new Uint8Array(bytes);
  return { dtype, dims, bytes: own };
}
