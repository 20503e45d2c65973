import { RavnError } from "../error.ts";
import { NormSum } from "../pipeline/mod.ts";
import type { NormMessage } from "../pipeline/mod.ts";
import { clipFactor } from "../training/mod.ts";
import type { ClipConfig, StageWeights } from "../training/mod.ts";

/** What `GradientClip` needs of its stage. */
export interface GradientClipOptions {
  readonly clip: ClipConfig | undefined;
  readonly weights: Pick<StageWeights, "squaredNorm">;
  readonly neighbours: {
    readonly producers: readonly number[];
    readonly consumers: readonly number[];
  };
  readonly send: (message: NormMessage) => void;
}

/** Whether each update needs the norm of all stages' gradients. */
export function needsNorms(clip: ClipConfig | undefined): boolean {
  return clip !== undefined && "norm" in clip && clip.scope === "model";
}

/** Clips the gradients of one stage by their norm, that of all stages' or its own. */
export class GradientClip {
  readonly #o: GradientClipOptions;
  readonly #sum: NormSum | undefined;

  constructor(options: GradientClipOptions) {
    this.#o = options;
    this.#sum = needsNorms(options.clip) ? new NormSum(options.neighbours) : undefined;
  }

  /** The gradients of `update` are complete: tells the other stages what this one adds. */
  async contribute(update: number): Promise<void> {
    const squares = await this.#o.weights.squaredNorm();
    this.#send(this.#summed().contribute(update, squares));
  }

  /** @throws {RavnError} when this stage needs no norms of others */
  arrived(from: number, update: number, squares: number): void {
    this.#send(this.#summed().arrived(from, update, squares));
  }

  /** Whether everything is known that `update` needs. */
  ready(update: number): boolean {
    return this.#sum === undefined || this.#sum.total(update) !== undefined;
  }

  /**
   * Factor on the gradients of an update that is made now; undefined where no norm limits them.
   *
   * @throws {RavnError} when the norm is no number
   */
  async factor(update: number): Promise<number | undefined> {
    const { clip, weights } = this.#o;
    if (clip === undefined || !("norm" in clip)) return undefined;
    const squares = this.#sum?.total(update) ?? await weights.squaredNorm();
    this.#sum?.made(update);
    if (Number.isFinite(squares)) return clipFactor(clip.norm, squares);
    throw new RavnError(
      `the norm of the gradients became ${Math.sqrt(squares)} at update ${update + 1}: ` +
        `try a smaller optimizer.lr, or look for bad data`,
      { exitCode: 1 },
    );
  }

  #summed(): NormSum {
    if (this.#sum !== undefined) return this.#sum;
    throw new RavnError("a peer clips by the norm of the whole model, and this stage does not");
  }

  #send(messages: readonly NormMessage[]): void {
    for (const message of messages) this.#o.send(message);
  }
}
