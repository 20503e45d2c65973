import { type DType, type Extent, tensor } from "../../onnx/mod.ts";
import type { Operations } from "../operations.ts";

/** A value as [batch, heads, length, width]. */
export interface Heads {
  readonly name: string;
  readonly batch: Extent;
  readonly heads: number;
  readonly length: number;
  readonly width: number;
}

/** Lower than every score, yet finite: a row that is masked altogether becomes uniform. */
const LOWEST = -3.4028234663852886e38;

/** What changes scores before they become probabilities. */
export interface Masking {
  /** Booleans that broadcast to [batch, heads, queries, keys]: true where a key may be seen. */
  readonly visible?: string;
  /** Added to the scores; broadcasts like `visible`. */
  readonly added?: readonly string[];
  /** Query i sees the keys 0 … i only. */
  readonly causal: boolean;
}

/** [batch, length, heads · width] as [batch, heads, length, width]. */
export function splitHeads(emit: Operations, x: string, o: Omit<Heads, "name">): Heads {
  const apart = emit.reshape(x, [o.batch, o.length, o.heads, o.width]);
  return { ...o, name: emit.transpose(apart, [0, 2, 1, 3]) };
}

/** [batch, heads, length, width] as [batch, length, heads · width]. */
export function joinHeads(emit: Operations, { name, batch, heads, length, width }: Heads): string {
  return emit.reshape(emit.transpose(name, [0, 2, 1, 3]), [batch, length, heads * width]);
}

/** Each head `times` times in a row, for queries that share keys and values. */
function repeated(emit: Operations, h: Heads, times: number): Heads {
  if (times === 1) return h;
  const apart = emit.reshape(h.name, [h.batch, h.heads, 1, h.length, h.width]);
  const copies = emit.concat(new Array<string>(times).fill(apart), 2);
  const heads = h.heads * times;
  return { ...h, heads, name: emit.reshape(copies, [h.batch, heads, h.length, h.width]) };
}

/**
 * Attention (Vaswani et al. 2017): softmax(scale · q kᵀ, capped, masked) v, where fewer heads of
 * keys and values serve groups of query heads.
 */
export function scaledDotProduct(
  emit: Operations,
  dtype: DType,
  o: {
    readonly q: Heads;
    readonly k: Heads;
    readonly v: Heads;
    readonly scale: number;
    /** Scores are squeezed smoothly below this magnitude; 0 leaves them. */
    readonly cap: number;
    readonly masking: Masking;
  },
): Heads {
  const { q, masking } = o;
  const [k, v] = [o.k, o.v].map((h) => repeated(emit, h, q.heads / h.heads)) as [Heads, Heads];
  const product = { dtype, rankA: 4, rankB: 4, transB: true };
  let scores = emit.matMul(q.name, k.name, product, o.scale);
  if (o.cap !== 0) {
    const tanh = emit.node("Tanh", [emit.scale(scores, dtype, 1 / o.cap)]);
    scores = emit.scale(tanh, dtype, o.cap);
  }
  for (const added of masking.added ?? []) scores = emit.add(scores, added);
  const hidden = emit.scalar(dtype, LOWEST);
  if (masking.visible !== undefined) {
    scores = emit.node("Where", [masking.visible, scores, hidden]);
  }
  if (masking.causal) {
    scores = emit.node("Where", [triangle(emit, q.length, k.length), scores, hidden]);
  }
  const p = emit.node("Softmax", [scores], { axis: 3 });
  return { ...q, width: v.width, name: emit.node("MatMul", [p, v.name]) };
}

/** Booleans [queries, keys], true on and below the diagonal from the upper left corner. */
function triangle(emit: Operations, queries: number, keys: number): string {
  const values = Array.from(
    { length: queries * keys },
    (_, i) => i % keys <= Math.floor(i / keys) ? 1 : 0,
  );
  return emit.constant(tensor("bool", [queries, keys], values), "causal");
}
