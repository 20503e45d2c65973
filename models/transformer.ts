import { Network } from "./network.ts";

/** The operator set of ONNX Runtime itself. */
const MICROSOFT = "com.microsoft";

/** Sizes of an attention layer. Tokens are [rows, width], the rows being batch × sequence. */
export interface AttentionShape {
  readonly sequence: number;
  readonly heads: number;
  readonly width: number;
}

/** Query, key and value of all heads. */
export interface Projections {
  readonly query: string;
  readonly key: string;
  readonly value: string;
}

/**
 * Layers of transformers (Vaswani et al. 2017). Tokens flow as rows of one matrix, [batch ×
 * sequence, width], since that is what makes linear layers and their gradients fast.
 */
export class Transformer extends Network {
  /** Linear without bias, by a weight [outFeatures, inFeatures] that is there already. */
  project(name: string, x: string, weight: string): string {
    return this.#fused("FusedMatMul", name, [x, weight], { transB: 1 });
  }

  /** GELU(x) = x Φ(x) (Hendrycks and Gimpel, 2016). */
  gelu(name: string, x: string): string {
    return this.#fused("Gelu", name, [x], {});
  }

  /** GELU by tanh, 0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³))). */
  geluTanh(name: string, x: string): string {
    return this.#fused("FastGelu", name, [x], {});
  }

  /** Query, key and value out of one projection [rows, 3 width], each [1, batch, heads, seq, d]. */
  splitHeads(name: string, x: string, { sequence, heads, width }: AttentionShape): Projections {
    const apart = this.reshape(`${name}.heads`, x, [-1, sequence, 3, heads, width / heads]);
    const perm = [2, 0, 3, 1, 4];
    const turned = this.layer("Transpose", `${name}.turn`, [apart], { perm });
    const outputs = ["query", "key", "value"].map((part) => `${name}.${part}_out`);
    const options = { name: `${name}.split`, outputs };
    const [query, key, value] = this.layers("Split", [turned], { axis: 0 }, options);
    return { query: query!, key: key!, value: value! };
  }

  /** One projection [rows, width] by heads: [1, batch, heads, seq, d]. */
  toHeads(name: string, x: string, { sequence, heads, width }: AttentionShape): string {
    const apart = this.reshape(`${name}.heads`, x, [1, -1, sequence, heads, width / heads]);
    return this.layer("Transpose", `${name}.turn`, [apart], { perm: [0, 1, 3, 2, 4] });
  }

  /**
   * softmax(Q Kᵀ / √d + mask) V as rows again, [rows, width]. The mask has 0 where a token is seen
   * and a large negative number where it is not.
   *
   * @param dropout share of the attention weights that is dropped, under the name `dropoutName`
   */
  attend(
    name: string,
    { query, key, value }: Projections,
    o: AttentionShape & {
      readonly mask: string;
      readonly dropout: number;
      readonly dropoutName: string;
    },
  ): string {
    const alpha = { type: "float", value: 1 / Math.sqrt(o.width / o.heads) } as const;
    const product = { transB: 1, alpha };
    const scores = this.#fused("FusedMatMul", `${name}.scores`, [query, key], product);
    const masked = this.layer("Add", `${name}.mask`, [scores, o.mask]);
    const weights = this.layer("Softmax", `${name}.softmax`, [masked], { axis: -1 });
    const kept = this.dropout(o.dropoutName, weights, o.dropout);
    const mixed = this.layer("MatMul", `${name}.mix`, [kept, value]);
    const turned = this.layer("Transpose", `${name}.back`, [mixed], { perm: [0, 1, 3, 2, 4] });
    return this.reshape(`${name}.join`, turned, [-1, o.width]);
  }

  /** The first `sequence` rows of a table of positions [places, width]. */
  positions(name: string, table: string, places: number, sequence: number): string {
    if (sequence === places) return table;
    const bounds = [[0], [sequence], [0]].map((value) => this.integers(name, value));
    return this.layer("Slice", `${name}.first`, [table, ...bounds]);
  }

  #fused(
    op: string,
    name: string,
    inputs: readonly string[],
    attributes: Parameters<Network["layer"]>[3],
  ): string {
    const options = { name, domain: MICROSOFT, outputs: [`${name}_out`] };
    return this.layers(op, inputs, attributes ?? {}, options)[0]!;
  }
}

/** What is added to attention scores where a token is not seen. */
export const UNSEEN = -1e9;
