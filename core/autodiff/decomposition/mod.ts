import { intOf, type Node } from "../../onnx/mod.ts";
import type { Call } from "../call.ts";
import { MICROSOFT } from "../emit.ts";
import { attention } from "./attention.ts";
import { embedLayerNormalization } from "./embed_layer_normalization.ts";
import { gru } from "./gru.ts";
import { lstm } from "./lstm.ts";
import { microsoftAttention, multiHeadAttention } from "./multi_head_attention.ts";
import { rnn } from "./rnn.ts";
import { stackedMatMul } from "./stacked_matmul.ts";

/**
 * Writes a node out in others: emits them and returns the values that stand for its outputs,
 * undefined for those that nothing reads.
 */
export type Decomposition = (call: Call) => readonly (string | undefined)[];

const DECOMPOSITIONS: Readonly<Record<string, Decomposition>> = {
  Attention: attention,
  GRU: gru,
  LSTM: lstm,
  RNN: rnn,
  "com.microsoft.Attention": microsoftAttention,
  "com.microsoft.EmbedLayerNormalization": embedLayerNormalization,
  "com.microsoft.FusedMatMul": stackedMatMul,
  "com.microsoft.MultiHeadAttention": multiHeadAttention,
};

/** How a node is written out; undefined where its operator has a gradient as it is. */
export function decompositionOf(node: Node): Decomposition | undefined {
  const name = node.domain === "" ? node.op : `${node.domain}.${node.op}`;
  if (node.op === "FusedMatMul" && node.domain === MICROSOFT) {
    const isStacked = intOf(node, "transBatchA", 0) + intOf(node, "transBatchB", 0) > 0;
    if (!isStacked) return undefined;
  }
  return Object.hasOwn(DECOMPOSITIONS, name) ? DECOMPOSITIONS[name] : undefined;
}
