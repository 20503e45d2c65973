import { type Graph, tensor } from "../core/onnx/mod.ts";
import { constant, normal } from "./initial.ts";
import { Transformer, UNSEEN } from "./transformer.ts";

/** Depth, heads and width of a model. */
export interface GptSize {
  readonly layers: number;
  readonly heads: number;
  readonly width: number;
}

/** The sizes that minGPT names (A. Karpathy, github.com/karpathy/minGPT). */
export const GPT_SIZES = {
  nano: { layers: 3, heads: 3, width: 48 },
  micro: { layers: 4, heads: 4, width: 128 },
  mini: { layers: 6, heads: 6, width: 192 },
  gopher_44m: { layers: 8, heads: 16, width: 512 },
  gpt2: { layers: 12, heads: 12, width: 768 },
  gpt2_medium: { layers: 24, heads: 16, width: 1024 },
  gpt2_large: { layers: 36, heads: 20, width: 1280 },
  gpt2_xl: { layers: 48, heads: 25, width: 1600 },
} as const satisfies Record<string, GptSize>;

/** Options of `gpt`. */
export interface GptOptions extends GptSize {
  readonly seed: number;
  /** Number of tokens that there are. */
  readonly vocabulary: number;
  /** Places that the model has positions for. */
  readonly block: number;
  /** Tokens of an input, at most `block`, which is the default. */
  readonly sequence?: number;
  /** Share of dropout on embeddings, attention weights and branches; 0.1 if absent. */
  readonly dropout?: number;
  /** True to use the token embedding as the last layer's weight, as GPT-2 does. */
  readonly tied?: boolean;
}

/** Standard deviation of initial weights. */
const DEVIATION = 0.02;

/**
 * GPT-2 (Radford et al. 2019) as minGPT writes it, with minGPT's names: tokens int64 [batch,
 * sequence] to logits [batch, sequence, vocabulary]. Normalization before each branch, GELU by
 * tanh, learned positions, causal attention. With the last layer tied the size `gpt2` has
 * 124,439,808 parameters.
 */
export function gpt(options: GptOptions): Graph {
  const { seed, layers, width, vocabulary, block, sequence = block, dropout = 0.1 } = options;
  if (sequence > block) throw new RangeError(`a sequence of ${sequence} needs as many positions`);
  const net = new Transformer("gpt", seed);
  const input = net.input([sequence], "input", "int64");
  const wte = net.parameter("transformer.wte.weight", [vocabulary, width], normal(DEVIATION));
  const wpe = net.parameter("transformer.wpe.weight", [block, width], normal(DEVIATION));
  const seen = causalMask(net, sequence);
  let x = net.layer("Gather", "transformer.wte", [wte, input], { axis: 0 });
  const places = net.positions("transformer.wpe", wpe, block, sequence);
  x = net.dropout("transformer.drop", net.layer("Add", "transformer.embed", [x, places]), dropout);
  x = net.reshape("transformer.rows", x, [-1, width]);
  for (let i = 0; i < layers; i++) {
    x = gptBlock(net, `transformer.h.${i}`, x, { ...options, sequence, dropout, seen });
  }
  x = net.layerNorm("transformer.ln_f", x, width);
  const head = options.tied === true
    ? wte
    : net.parameter("lm_head.weight", [vocabulary, width], normal(DEVIATION));
  const logits = net.project("lm_head", x, head);
  const shape = [sequence, vocabulary];
  return net.build(net.reshape("logits", logits, [-1, ...shape], "output"), shape);
}

/** A constant [sequence, sequence]: true where a token (row) sees another (column). */
function causalMask(net: Transformer, sequence: number): string[] {
  const seen = new Uint8Array(sequence * sequence);
  for (let row = 0; row < sequence; row++) seen.fill(1, row * sequence, row * sequence + row + 1);
  return [
    net.fixed("causal", tensor("bool", [sequence, sequence], seen)),
    net.fixed("causal", tensor("float32", [], [0])),
    net.fixed("causal", tensor("float32", [], [UNSEEN])),
  ];
}

/** y = x + attention(LN(x)), then y + MLP(LN(y)). */
function gptBlock(
  net: Transformer,
  name: string,
  x: string,
  o: GptSize & { sequence: number; dropout: number; seen: readonly string[] },
): string {
  const { width, dropout } = o;
  const weight = normal(DEVIATION);
  const initial = { weight, bias: constant(0) };
  // The two branches of each layer add up in the residual stream.
  const scaled = { weight: normal(DEVIATION / Math.sqrt(2 * o.layers)), bias: constant(0) };
  const attn = `${name}.attn`;
  let y = net.layerNorm(`${name}.ln_1`, x, width);
  y = net.linear(`${attn}.c_attn`, y, width, 3 * width, initial);
  const heads = net.splitHeads(attn, y, o);
  // Of constants only: ONNX Runtime computes it once. Each layer has its own, so that none of it
  // travels between stages.
  const mask = net.layer("Where", `${attn}.causal`, o.seen);
  y = net.attend(attn, heads, { ...o, mask, dropoutName: `${attn}.attn_dropout` });
  y = net.linear(`${attn}.c_proj`, y, width, width, scaled);
  y = net.dropout(`${attn}.resid_dropout`, y, dropout);
  const middle = net.layer("Add", `${name}.add_1`, [x, y]);
  y = net.layerNorm(`${name}.ln_2`, middle, width);
  y = net.linear(`${name}.mlp.c_fc`, y, width, 4 * width, initial);
  y = net.geluTanh(`${name}.mlp.act`, y);
  y = net.linear(`${name}.mlp.c_proj`, y, 4 * width, width, scaled);
  y = net.dropout(`${name}.mlp.dropout`, y, dropout);
  return net.layer("Add", `${name}.add_2`, [middle, y]);
}
