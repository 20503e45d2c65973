import { floatOf } from "../../onnx/mod.ts";
import type { Call } from "../call.ts";
import { float } from "../emit.ts";

const [WORDS, SEGMENTS, WORD_TABLE, POSITION_TABLE, SEGMENT_TABLE] = [0, 1, 2, 3, 4];
const [SCALE, BIAS, MASK, POSITIONS] = [5, 6, 7, 8];

/** BERT's first layer in one node of ONNX Runtime: the sum of three embeddings, normalised. */
export function embedLayerNormalization(call: Call): (string | undefined)[] {
  const { node, emit } = call;
  const [, length] = call.dims(call.input(WORDS));
  if (typeof length !== "number") return call.refuse("the length of its sequence varies");
  const rows = (table: number, indices: number) =>
    emit.node("Gather", [call.input(table), call.input(indices)]);
  const positions = call.has(POSITIONS)
    ? rows(POSITION_TABLE, POSITIONS)
    : emit.slice(call.input(POSITION_TABLE), [0], [length], [0]);
  const placed = emit.add(rows(WORD_TABLE, WORDS), positions);
  const sum = call.has(SEGMENTS) ? emit.add(placed, rows(SEGMENT_TABLE, SEGMENTS)) : placed;
  const y = emit.node("LayerNormalization", [sum, call.input(SCALE), call.input(BIAS)], {
    epsilon: float(floatOf(node, "epsilon", 1e-12)),
  });
  // Without a mask the operator counts none.
  const mask = call.has(MASK) ? call.input(MASK) : emit.sub(call.input(WORDS), call.input(WORDS));
  const count = emit.reduceSum(mask, [1], false);
  return [y, count, sum];
}
