import type { Call } from "../call.ts";

/** First opset whose scattering operators can add and multiply. */
export const SCATTER_ADD_OPSET = 16;

/** What becomes of a place at which updates arrive. */
export type Put = "none" | "add" | "mul";

/**
 * `onto` with `updates` at the places that `indices` name along an axis: they replace what is there
 * (`"none"`), or are added to it or multiplied with it, as often as a place is named.
 */
export function scatterElements(
  call: Call,
  onto: string,
  indices: string,
  updates: string,
  o: { readonly axis: number; readonly put: Put },
): string {
  const { emit } = call;
  const { axis, put } = o;
  if (put !== "none" && emit.opset < SCATTER_ADD_OPSET) {
    call.refuse(
      `several elements may meet at one place: takes opset ${SCATTER_ADD_OPSET} or later`,
    );
  }
  // Until opset 11 it was called Scatter.
  const op = emit.opset < 11 ? "Scatter" : "ScatterElements";
  const attributes = put === "none" ? { axis } : { axis, reduction: put };
  return emit.node(op, [onto, indices, updates], attributes);
}
