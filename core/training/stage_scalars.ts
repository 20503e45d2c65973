import { SEED_INPUT, STEP_INPUT } from "../autodiff/mod.ts";
import { alignedBytes } from "../runtime/mod.ts";
import type { Runtime, Value } from "../runtime/mod.ts";
import { SCALE } from "./manifest.ts";

/** The single numbers that a stage's graphs read, and the loss, in host memory. */
export class StageScalars implements Disposable {
  /** The loss of the last run, written by the graph. */
  readonly loss: Value;
  readonly #inputs: ReadonlyMap<string, Value>;
  readonly #loss: Float32Array;
  readonly #scale: Float32Array;
  readonly #step: Uint32Array;

  /** @param seed of the dropout masks that the graphs make themselves */
  constructor(runtime: Runtime, seed: number) {
    const [loss, scale] = [alignedBytes(4), alignedBytes(4)];
    const [seeds, step] = [alignedBytes(4), alignedBytes(4)];
    this.loss = runtime.value("float32", [], loss);
    this.#inputs = new Map([
      [SCALE, runtime.value("float32", [], scale)],
      [SEED_INPUT, runtime.value("uint32", [1], seeds)],
      [STEP_INPUT, runtime.value("uint32", [1], step)],
    ]);
    this.#loss = new Float32Array(loss.buffer, loss.byteOffset, 1);
    this.#scale = new Float32Array(scale.buffer, scale.byteOffset, 1);
    this.#step = new Uint32Array(step.buffer, step.byteOffset, 1);
    new Uint32Array(seeds.buffer, seeds.byteOffset, 1)[0] = seed;
  }

  /** The graph input `name`, or undefined where it is none of these. */
  input(name: string): Value | undefined {
    return this.#inputs.get(name);
  }

  /** Share of the next micro-batch in its update. */
  set scale(share: number) {
    this.#scale[0] = share;
  }

  /** Number of the next micro-batch, by which dropout masks differ. */
  set step(m: number) {
    this.#step[0] = m;
  }

  /** The loss of the last run. */
  get lastLoss(): number {
    return this.#loss[0]!;
  }

  [Symbol.dispose](): void {
    for (const value of [this.loss, ...this.#inputs.values()]) value[Symbol.dispose]();
  }
}
