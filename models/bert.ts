import { type Graph, tensor } from "../core/onnx/mod.ts";
import { constant, normal } from "./initial.ts";
import { Transformer, UNSEEN } from "./transformer.ts";

/** Depth and widths of a model. */
export interface BertSize {
  readonly layers: number;
  readonly heads: number;
  readonly width: number;
  /** Width of the hidden layer between two attentions. */
  readonly inner: number;
}

/** The smallest and the first published size (Turc et al. 2019; Devlin et al. 2018). */
export const BERT_SIZES = {
  tiny: { layers: 2, heads: 2, width: 128, inner: 512 },
  base: { layers: 12, heads: 12, width: 768, inner: 3072 },
} as const satisfies Record<string, BertSize>;

/** Options of `bert`. */
export interface BertOptions extends BertSize {
  readonly seed: number;
  /** Number of tokens that there are, 30522 if absent. */
  readonly vocabulary?: number;
  /** Places that the model has positions for, 512 if absent. */
  readonly places?: number;
  /** Tokens of an input, at most `places`, which is the default. */
  readonly sequence?: number;
  /** Share of dropout after embeddings, attention weights and branches; 0.1 if absent. */
  readonly dropout?: number;
}

/** Standard deviation of initial weights. */
const DEVIATION = 0.02;

/** What is added under the square root of a normalization. */
const EPSILON = 1e-12;

/** Sentences that an input may consist of. */
const SEGMENTS = 2;

/** Initial values of every linear layer. */
const INITIAL = { weight: normal(DEVIATION), bias: constant(0) };

type Sizes = Required<BertOptions>;

/**
 * BERT for pre-training (Devlin, Chang, Lee, Toutanova, 2018), with the names of Hugging Face's
 * BertForPreTraining. Inputs `input_ids`, `token_type_ids` and `attention_mask` (1 where there is a
 * token), all int64 [batch, sequence]. Outputs `prediction_logits` [batch, sequence, vocabulary] of
 * the masked tokens, by the token embedding once more, and `seq_relationship_logits` [batch, 2] of
 * the order of the two sentences. The encoder of the size `base`, with its pooler, has 109,482,240
 * parameters.
 */
export function bert(options: BertOptions): Graph {
  const { vocabulary = 30522, places = 512, dropout = 0.1 } = options;
  const o = { ...options, vocabulary, places, dropout, sequence: options.sequence ?? places };
  if (o.sequence > places) throw new RangeError(`${o.sequence} tokens need as many positions`);
  const net = new BertNetwork("bert", o);
  const [ids, segments, seen] = ["input_ids", "token_type_ids", "attention_mask"]
    .map((name) => net.input([o.sequence], name, "int64"));
  const mask = net.mask(seen!);
  let x = net.embedded(ids!, segments!);
  for (let i = 0; i < o.layers; i++) x = net.encoded(`bert.encoder.layer.${i}`, x, mask);
  const shape = [o.sequence, vocabulary];
  net.output(net.predicted(x), shape);
  return net.build(net.related(x), [SEGMENTS]);
}

class BertNetwork extends Transformer {
  readonly #sizes: Sizes;
  #words = "";

  constructor(name: string, sizes: Sizes) {
    super(name, sizes.seed);
    this.#sizes = sizes;
  }

  /** [batch, sequence] of 1 and 0 as what is added to scores, [1, batch, 1, 1, sequence]. */
  mask(seen: string): string {
    const name = "attention_mask";
    const one = this.fixed(name, tensor("float32", [], [1]));
    const unseen = this.fixed(name, tensor("float32", [], [UNSEEN]));
    const shares = this.layer("Cast", `${name}.float`, [seen], { to: 1 });
    const missing = this.layer("Sub", `${name}.missing`, [one, shares]);
    const added = this.layer("Mul", `${name}.added`, [missing, unseen]);
    return this.reshape(`${name}.spread`, added, [1, -1, 1, 1, this.#sizes.sequence]);
  }

  /** Sum of the embeddings of word, segment and position, normalized, as rows. */
  embedded(ids: string, segments: string): string {
    const { vocabulary, places, sequence, width, dropout } = this.#sizes;
    const name = "bert.embeddings";
    this.#words = this.#table(`${name}.word_embeddings`, vocabulary);
    const table = this.#table(`${name}.position_embeddings`, places);
    const kinds = this.#table(`${name}.token_type_embeddings`, SEGMENTS);
    const axis = { axis: 0 };
    const words = this.layer("Gather", `${name}.word`, [this.#words, ids], axis);
    const sides = this.layer("Gather", `${name}.token_type`, [kinds, segments], axis);
    const both = this.layer("Add", `${name}.add`, [words, sides]);
    const place = this.positions(`${name}.position`, table, places, sequence);
    const sum = this.layer("Add", `${name}.add_position`, [both, place]);
    const rows = this.reshape(`${name}.rows`, sum, [-1, width]);
    return this.dropout(`${name}.dropout`, this.#norm(`${name}.LayerNorm`, rows), dropout);
  }

  /** y = LN(x + attention(x)), then LN(y + MLP(y)). */
  encoded(name: string, x: string, mask: string): string {
    const { width, inner, dropout } = this.#sizes;
    const [self, out] = [`${name}.attention.self`, `${name}.attention.output`];
    const [query, key, value] = ["query", "key", "value"].map((part) =>
      this.toHeads(`${self}.${part}`, this.#linear(`${self}.${part}`, x, width), this.#sizes)
    );
    const heads = { query: query!, key: key!, value: value! };
    const dropoutName = `${self}.dropout`;
    let y = this.attend(self, heads, { ...this.#sizes, mask, dropout, dropoutName });
    y = this.dropout(`${out}.dropout`, this.#linear(`${out}.dense`, y, width), dropout);
    y = this.#norm(`${out}.LayerNorm`, this.layer("Add", `${out}.add`, [y, x]));
    let z = this.#linear(`${name}.intermediate.dense`, y, width, inner);
    z = this.gelu(`${name}.intermediate.act`, z);
    z = this.#linear(`${name}.output.dense`, z, inner, width);
    z = this.dropout(`${name}.output.dropout`, z, dropout);
    return this.#norm(`${name}.output.LayerNorm`, this.layer("Add", `${name}.output.add`, [z, y]));
  }

  /** Logits of the token at every place. */
  predicted(x: string): string {
    const { vocabulary, sequence, width } = this.#sizes;
    const name = "cls.predictions";
    let y = this.#linear(`${name}.transform.dense`, x, width);
    y = this.gelu(`${name}.transform.act`, y);
    y = this.#norm(`${name}.transform.LayerNorm`, y);
    const bias = this.parameter(`${name}.bias`, [vocabulary], constant(0));
    y = this.layer("Gemm", `${name}.decoder`, [y, this.#words, bias], { transB: 1 });
    return this.reshape(name, y, [-1, sequence, vocabulary], "prediction_logits");
  }

  /** Logits of the order of the sentences, from the first token. */
  related(x: string): string {
    const { sequence, width } = this.#sizes;
    const tokens = this.reshape("bert.pooler.tokens", x, [-1, sequence, width]);
    const first = this.fixed("bert.pooler", tensor("int64", [], [0]));
    const token = this.layer("Gather", "bert.pooler.first", [tokens, first], { axis: 1 });
    const dense = this.#linear("bert.pooler.dense", token, width);
    const pooled = this.layer("Tanh", "bert.pooler.activation", [dense]);
    const output = { ...INITIAL, output: "seq_relationship_logits" };
    return this.linear("cls.seq_relationship", pooled, width, SEGMENTS, output);
  }

  #table(name: string, rows: number): string {
    return this.parameter(`${name}.weight`, [rows, this.#sizes.width], normal(DEVIATION));
  }

  #linear(name: string, x: string, from: number, to = from): string {
    return this.linear(name, x, from, to, INITIAL);
  }

  #norm(name: string, x: string): string {
    return this.layerNorm(name, x, this.#sizes.width, EPSILON);
  }
}
