import { floatOf, intOf } from "../../onnx/mod.ts";
import type { Call } from "../call.ts";
import {
  type Heads,
  joinHeads,
  type Masking,
  scaledDotProduct,
  splitHeads,
} from "./scaled_dot_product.ts";

const [MASK, PAST_KEY, PAST_VALUE, LENGTHS] = [3, 4, 5, 6];

function fixed(call: Call, i: number, axis: number): number {
  const extent = call.dims(call.input(i))[axis];
  return typeof extent === "number"
    ? extent
    : call.refuse(`dimension ${axis} of input ${i} follows the batch`);
}

/** Input `i` with its heads apart; three dimensions hold them side by side. */
function headsOf(call: Call, i: number, heads: number): Heads {
  const x = call.input(i);
  const dims = call.dims(x);
  const batch = dims[0]!;
  if (dims.length === 4) {
    const [own, length, width] = [fixed(call, i, 1), fixed(call, i, 2), fixed(call, i, 3)];
    return { name: x, batch, heads: own, length, width };
  }
  const width = fixed(call, i, 2) / heads;
  return splitHeads(call.emit, x, { batch, heads, length: fixed(call, i, 1), width });
}

function maskingOf(call: Call): Masking {
  const causal = intOf(call.node, "is_causal", 0) === 1;
  if (!call.has(MASK)) return { causal };
  const mask = call.input(MASK);
  return call.dtype(mask) === "bool" ? { causal, visible: mask } : { causal, added: [mask] };
}

/** Attention of opset 23. */
export function attention(call: Call): (string | undefined)[] {
  const { node, emit, type } = call;
  if (call.has(PAST_KEY) || call.has(PAST_VALUE)) {
    call.refuse("it takes keys and values of earlier runs; export the model without a cache");
  }
  if (call.has(LENGTHS)) call.refuse("it takes lengths (nonpad_kv_seqlen); use a mask instead");
  if (node.outputs.slice(1).some((output) => output !== "")) {
    call.refuse("it gives out keys, values or scores; export the model without a cache");
  }
  const q = headsOf(call, 0, intOf(node, "q_num_heads", 1));
  const kvHeads = intOf(node, "kv_num_heads", 1);
  const out = scaledDotProduct(emit, type, {
    q,
    k: headsOf(call, 1, kvHeads),
    v: headsOf(call, 2, kvHeads),
    scale: floatOf(node, "scale", 1 / Math.sqrt(q.width)),
    cap: floatOf(node, "softcap", 0),
    masking: maskingOf(call),
  });
  return [call.dims(call.input(0)).length === 4 ? out.name : joinHeads(emit, out)];
}
