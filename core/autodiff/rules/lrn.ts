import { type Extent, floatOf, intOf, tensor } from "../../onnx/mod.ts";
import type { Call } from "../call.ts";
import { rule, type RuleEntry } from "../rule.ts";

/** Matrix [channels, channels] with 1 where the window around the row's channel has the column. */
function windows(call: Call, channels: number): string {
  const size = intOf(call.node, "size", 1);
  const [before, after] = [Math.floor((size - 1) / 2), Math.ceil((size - 1) / 2)];
  const inside = (i: number) => {
    const distance = i % channels - Math.floor(i / channels);
    return distance >= -before && distance <= after ? 1 : 0;
  };
  const values = Array.from({ length: channels * channels }, (_, i) => inside(i));
  return call.emit.constant(tensor(call.type, [channels, channels], values));
}

/**
 * Local response normalization over neighbouring channels (Krizhevsky et al. 2012): y = x d^(−β)
 * with d = bias + α/size Σ x² over a window of channels, so
 *
 * ```text
 * dx = dy d^(−β) − 2αβ/size x Σ' (dy y / d)
 * ```
 *
 * where Σ' runs over the windows that a channel lies in.
 */
export const lrn: RuleEntry = [
  rule((call) => [() => {
    const { dy, emit, node, type } = call;
    const x = call.input(0);
    const [samples, channels, ...rest] = call.dims(x);
    if (typeof channels !== "number") return call.refuse("its channels follow the batch");
    const map = rest.reduce<number>(
      (product, extent) =>
        typeof extent === "number" ? product * extent : call.refuse("its map follows the batch"),
      1,
    );
    const size = intOf(node, "size", 1);
    const [alpha, beta] = [floatOf(node, "alpha", 1e-4), floatOf(node, "beta", 0.75)];
    const flat: Extent[] = [samples!, channels, map];
    const [xs, ys, dys] = [x, call.output(), dy].map((value) => emit.reshape(value, flat));
    const window = windows(call, channels);
    const sum = emit.node("MatMul", [window, emit.mul(xs!, xs!)]);
    const d = emit.add(
      emit.scale(sum, type, alpha / size),
      emit.scalar(type, floatOf(node, "bias", 1)),
    );
    const direct = emit.mul(dys!, emit.node("Pow", [d, emit.scalar(type, -beta)]));
    const o = { dtype: type, rankA: 2, rankB: 3, transA: true };
    const shared = emit.matMul(
      window,
      emit.div(emit.mul(dys!, ys!), d),
      o,
      2 * alpha * beta / size,
    );
    return call.reshapeLike(emit.sub(direct, emit.mul(xs!, shared)), x);
  }]),
];
