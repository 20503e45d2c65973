import { floatOf, intOf, intsOf } from "../../onnx/mod.ts";
import type { Call } from "../call.ts";
import {
  type Heads,
  joinHeads,
  type Masking,
  scaledDotProduct,
  splitHeads,
} from "./scaled_dot_product.ts";

/** Keys and values of earlier runs, and what goes with them. */
function refuseInputs(call: Call, inputs: readonly number[]): void {
  if (inputs.some((i) => call.has(i))) {
    call.refuse("it takes keys and values of earlier runs; export the model without a cache");
  }
  if (call.node.outputs.slice(1).some((output) => output !== "")) {
    call.refuse("it gives out keys, values or scores; export the model without a cache");
  }
}

/** 0 where a key of the padding mask [batch, keys] counts, and `mask_filter_value` where not. */
function paddingOf(call: Call, i: number): string {
  const { emit, type, node } = call;
  const mask = call.input(i);
  if (call.dims(mask).length !== 2) {
    call.refuse(`its mask (input ${i}) must have the shape [batch, keys]`);
  }
  const absent = emit.sub(emit.scalar(type, 1), emit.cast(mask, type));
  const filter = floatOf(node, "mask_filter_value", -10_000);
  return emit.unsqueeze(emit.scale(absent, type, filter), [1, 2]);
}

/** The mask inputs of ONNX Runtime's two operators. */
function maskingOf(call: Call, padding: number, bias: number): Masking {
  const added: string[] = [];
  if (call.has(padding)) added.push(paddingOf(call, padding));
  if (call.has(bias)) added.push(call.input(bias));
  return { causal: intOf(call.node, "unidirectional", 0) === 1, added };
}

function attend(call: Call, heads: readonly [Heads, Heads, Heads], masking: Masking): string {
  const { emit, type, node } = call;
  const [q, k, v] = heads;
  const given = floatOf(node, "scale", 0);
  const scale = given === 0 ? 1 / Math.sqrt(q.width) : given;
  return joinHeads(emit, scaledDotProduct(emit, type, { q, k, v, scale, cap: 0, masking }));
}

/** Elements `from` to `to` of the bias (input `i`), added to `x` where there is a bias. */
function withBias(call: Call, x: string, i: number, from: number, to: number): string {
  return call.has(i) ? call.emit.add(x, call.emit.slice(call.input(i), [from], [to], [0])) : x;
}

/** ONNX Runtime's attention of separate queries, keys and values. */
export function multiHeadAttention(call: Call): (string | undefined)[] {
  refuseInputs(call, [6, 7, 8, 9]);
  if (!call.has(1) || !call.has(2)) call.refuse("packed queries, keys and values");
  const heads = intOf(call.node, "num_heads", 1);
  let from = 0;
  const apart = [0, 1, 2].map((i): Heads => {
    const dims = call.dims(call.input(i));
    const batch = dims[0]!;
    if (dims.length === 4) {
      const [own, length, width] = call.fixedDims(call.input(i), 1) as [number, number, number];
      return { name: call.input(i), batch, heads: own, length, width };
    }
    if (dims.length !== 3) call.refuse("packed keys and values");
    const [length, hidden] = call.fixedDims(call.input(i), 1) as [number, number];
    const x = withBias(call, call.input(i), 3, from, from + hidden);
    from += hidden;
    return splitHeads(call.emit, x, { batch, heads, length, width: hidden / heads });
  }) as [Heads, Heads, Heads];
  return [attend(call, apart, maskingOf(call, 4, 5))];
}

/** ONNX Runtime's attention with its projection: x W + b gives queries, keys and values. */
export function microsoftAttention(call: Call): (string | undefined)[] {
  refuseInputs(call, [4, 6]);
  const { node, emit } = call;
  if (intOf(node, "do_rotary", 0) !== 0) call.refuse("rotary embeddings (do_rotary)");
  const [batch] = call.dims(call.input(0)) as [Heads["batch"]];
  const [length] = call.fixedDims(call.input(0), 1) as [number];
  const [, columns] = call.fixedDims(call.input(1)) as [number, number];
  const sizes = intsOf(node, "qkv_hidden_sizes") ?? new Array<number>(3).fill(columns / 3);
  const heads = intOf(node, "num_heads", 1);
  const product = emit.node("MatMul", [call.input(0), call.input(1)]);
  const all = call.has(2) ? emit.add(product, call.input(2)) : product;
  let from = 0;
  const apart = sizes.map((hidden) => {
    const part = emit.slice(all, [from], [from + hidden], [2]);
    from += hidden;
    return splitHeads(emit, part, { batch, heads, length, width: hidden / heads });
  }) as [Heads, Heads, Heads];
  return [attend(call, apart, maskingOf(call, 3, 5))];
}
