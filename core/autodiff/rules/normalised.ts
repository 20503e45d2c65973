import type { Extent } from "../../onnx/mod.ts";
import type { Call } from "../call.ts";

/** x̂ = (x − mean) · inverse, taken over some axes; without the mean x̂ = x · inverse. */
export interface Normalised {
  readonly hat: string;
  /** One over the standard deviation, or over the root of the mean square; keeps the axes. */
  readonly inverse: string;
  /** Axes over which x is normalised. */
  readonly axes: readonly number[];
  /** False where no mean was taken off (root-mean-square norms). */
  readonly centred: boolean;
}

/** All axes from `first` on. */
export function axesFrom(first: number, rank: number): number[] {
  return Array.from({ length: rank - first }, (_, i) => first + i);
}

/** Normalises `x` over `axes` again, with ε = `epsilon` added to the mean square. */
export function normalise(
  call: Call,
  x: string,
  o: { readonly axes: readonly number[]; readonly epsilon: number; readonly centred: boolean },
): Normalised {
  const { emit, type } = call;
  const { axes, centred } = o;
  const inner = centred ? emit.sub(x, emit.reduceMean(x, axes, true)) : x;
  const square = emit.reduceMean(emit.mul(inner, inner), axes, true);
  const deviation = emit.node("Sqrt", [emit.add(square, emit.scalar(type, o.epsilon))]);
  const inverse = emit.node("Reciprocal", [deviation]);
  return { hat: emit.mul(inner, inverse), inverse, axes, centred };
}

/**
 * The adjoint of x ↦ x̂ at the gradient g of x̂: inverse · (g − mean(g) − x̂ mean(g x̂)), without
 * mean(g) where no mean was taken off.
 */
export function throughNormalised(
  { emit }: Call,
  { hat, inverse, axes, centred }: Normalised,
  g: string,
): string {
  const tilt = emit.mul(hat, emit.reduceMean(emit.mul(g, hat), axes, true));
  const level = centred ? emit.sub(g, emit.reduceMean(g, axes, true)) : g;
  return emit.mul(emit.sub(level, tilt), inverse);
}

/** Gradients of y = scale x̂ + bias, where scale and bias broadcast to y. */
export interface AffineGradients {
  readonly data: () => string;
  readonly scale: () => string;
  readonly bias: () => string;
}

/** The gradients of y = scale x̂ + bias, with y of shape `dims`. */
export function affineGradients(call: Call, o: {
  readonly dims: readonly Extent[];
  readonly normalised: () => Normalised;
  /** Input positions of scale and bias. */
  readonly scale: number;
  readonly bias: number;
}): AffineGradients {
  const { emit } = call;
  return {
    data: () => throughNormalised(call, o.normalised(), emit.mul(call.dy, call.input(o.scale))),
    scale: () => {
      const product = emit.mul(call.dy, o.normalised().hat);
      return call.unbroadcast(product, o.dims, o.scale);
    },
    bias: () => call.unbroadcast(call.dy, o.dims, o.bias),
  };
}
