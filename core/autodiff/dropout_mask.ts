import { RavnError } from "../error.ts";
import { type DType, type Extent, type Fact, tensor } from "../onnx/mod.ts";
import { dropoutThreshold, KEY_OFFSET, MULTIPLIER } from "./dropout_hash.ts";
import type { Operations } from "./operations.ts";

/** Graph inputs from which masks are computed: uint32 [1] each. */
export const SEED_INPUT = "ravn.seed";
export const STEP_INPUT = "ravn.step";

/** First opset with BitShift. */
const BIT_SHIFT_OPSET = 11;

/** Where the nodes of a mask go. */
export interface MaskTarget {
  readonly emit: Operations;
  note(name: string, fact: Fact): string;
  fact(name: string): Fact;
}

/**
 * The hash of `dropout_hash.ts` in ONNX operators: int32 for sums and products, which ONNX Runtime
 * computes modulo 2^32, and uint32 for shifts.
 */
class HashNodes {
  readonly #target: MaskTarget;
  readonly #dims: readonly Extent[];

  /** Values have the shape `dims`. */
  constructor(target: MaskTarget, dims: readonly Extent[]) {
    this.#target = target;
    this.#dims = dims;
  }

  #note(name: string, dtype: DType = "int32"): string {
    return this.#target.note(name, { dtype, dims: this.#dims });
  }

  number(value: number): string {
    return this.#target.emit.constant(tensor("int32", [], [value | 0]));
  }

  add(a: string, b: string): string {
    return this.#note(this.#target.emit.add(a, b));
  }

  mul(a: string, b: string): string {
    return this.#note(this.#target.emit.mul(a, b));
  }

  signed(a: string): string {
    return this.#note(this.#target.emit.cast(a, "int32"));
  }

  /** x + (x >> bits), the shift being a logical one. */
  fold(x: string, bits: number): string {
    const { emit } = this.#target;
    const unsigned = this.#note(emit.cast(x, "uint32"), "uint32");
    const by = emit.constant(tensor("uint32", [], [bits]));
    const shifted = emit.node("BitShift", [unsigned, by], { direction: "RIGHT" });
    return this.add(x, this.signed(this.#note(shifted, "uint32")));
  }

  /** x (2x + 1). */
  stir(x: string): string {
    return this.mul(x, this.add(this.add(x, x), this.number(1)));
  }

  mix(x: string, second: string): string {
    const spread = this.fold(this.mul(x, this.number(MULTIPLIER)), 16);
    const keyed = this.fold(this.add(this.stir(spread), second), 15);
    return this.fold(this.stir(keyed), 16);
  }
}

/** The two words of `dropoutKey`, int32 [1] each. */
function keyNodes(target: MaskTarget, salt: number): { first: string; second: string } {
  const nodes = new HashNodes(target, [1]);
  const offset = nodes.number(KEY_OFFSET);
  const run = nodes.mix(nodes.signed(SEED_INPUT), offset);
  const step = nodes.mix(nodes.add(run, nodes.signed(STEP_INPUT)), offset);
  const first = nodes.add(step, nodes.number(salt));
  return { first, second: nodes.mix(first, offset) };
}

/** Number of elements of a shape, for every batch size. */
function elements(dims: readonly Extent[]): Extent {
  const size = dims.reduce<number>(
    (product, extent) => product * (typeof extent === "number" ? extent : extent.perSample),
    1,
  );
  const symbolic = dims.filter((extent) => typeof extent !== "number").length;
  if (symbolic > 1) {
    throw new RavnError("a dropout mask may follow the batch in one dimension only");
  }
  return symbolic === 0 ? size : { perSample: size };
}

/**
 * The mask of the value `x` by integer operators: for each element 1 / (1 − ratio) where
 * `dropoutKeeps` keeps it, else 0. Returns a float32 value of the shape of `x`.
 *
 * @throws {RavnError} below opset 11, which has no shifts.
 */
export function hashedMask(
  target: MaskTarget,
  x: string,
  { ratio, salt }: { ratio: number; salt: number },
): string {
  const { emit } = target;
  if (emit.opset < BIT_SHIFT_OPSET) {
    throw new RavnError(`dropout masks in the graph take opset ${BIT_SHIFT_OPSET} or later`);
  }
  const { dims } = target.fact(x);
  const flat = [elements(dims)];
  const nodes = new HashNodes(target, flat);
  const { first, second } = keyNodes(target, salt);
  const size = target.note(emit.node("Size", [x]), { dtype: "int64", dims: [] });
  const count = target.note(emit.cast(size, "int32"), { dtype: "int32", dims: [] });
  const range = emit.node("Range", [nodes.number(0), count, nodes.number(1)]);
  const index = target.note(range, { dtype: "int32", dims: flat });
  const hash = nodes.mix(nodes.add(index, first), second);
  // Unsigned order is signed order once both sides are moved by 2^31.
  const moved = nodes.add(hash, nodes.number(0x80000000));
  const limit = nodes.number(dropoutThreshold(ratio) - 1 - 2 ** 31);
  const kept = target.note(emit.node("Greater", [moved, limit]), { dtype: "bool", dims: flat });
  const bits = target.note(emit.cast(kept, "float32"), { dtype: "float32", dims: flat });
  const scaled = target.note(emit.scale(bits, "float32", 1 / (1 - ratio)), {
    dtype: "float32",
    dims: flat,
  });
  return target.note(emit.reshape(scaled, dims), { dtype: "float32", dims });
}
