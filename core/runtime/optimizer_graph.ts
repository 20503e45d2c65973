import { type Graph, GraphBuilder, type Tensor, tensor } from "../onnx/mod.ts";
import {
  type AdamScalars,
  adamScalars,
  type AdamUpdate,
  type MomentumScalars,
  momentumScalars,
  type SgdUpdate,
} from "./kernels/optimizers.ts";

/** A parameter that an optimizer graph updates; float32. */
export interface GraphParameter {
  readonly name: string;
  readonly dims: readonly number[];
}

/** Name of the input with the scalars of an update. */
export const SCALARS = "scalars";

/** Order of the scalars of Adam and AdamW in the input `scalars`. */
const ADAM_SCALARS: readonly (keyof AdamScalars)[] = [
  ...["l2", "beta1", "first", "beta2", "second", "stepSize", "eps", "decay"] as const,
];

/** Order of the scalars of gradient descent in the input `scalars`. */
const MOMENTUM_SCALARS: readonly (keyof MomentumScalars)[] = [
  ...["gradientScale", "l2", "lr", "momentum", "fresh", "ofGradient", "ofBuffer"] as const,
];

/**
 * The update of Adam and AdamW as a graph, for devices that the kernels cannot reach. For each
 * parameter p it reads `weight.p`, `gradient.p`, `m.p` and `v.p` and makes `new.weight.p`,
 * `new.m.p` and `new.v.p`; each output may be bound to the memory of the input that it replaces,
 * since no node reads that input after the one that writes the output. The arithmetic is that of
 * {@linkcode adamScalars}, whose values it takes from {@linkcode adamScalarsTensor}.
 */
export function adamGraph(parameters: readonly GraphParameter[]): Graph {
  const builder = new GraphBuilder("adam");
  const scalars = scalarInputs(builder, ADAM_SCALARS);
  for (const { name, dims } of parameters) {
    const [weight, gradient, m, v] = inputs(builder, ["weight", "gradient", "m", "v"], name, dims);
    const g = builder.node("Add", [gradient, times(builder, weight, scalars.l2)]);
    const newM = sum(
      builder,
      times(builder, m, scalars.beta1),
      times(builder, g, scalars.first),
      `new.m.${name}`,
    );
    const newV = sum(
      builder,
      times(builder, v, scalars.beta2),
      times(builder, times(builder, g, scalars.second), g),
      `new.v.${name}`,
    );
    const root = builder.node("Add", [builder.node("Sqrt", [newV]), scalars.eps]);
    const step = builder.node("Div", [times(builder, newM, scalars.stepSize), root]);
    const whole = builder.node("Add", [step, times(builder, weight, scalars.decay)]);
    const outputs = [`new.weight.${name}`];
    const newWeight = builder.node("Sub", [weight, whole], {}, { outputs });
    for (const output of [newWeight, newM, newV]) builder.output(output, "float32", dims);
  }
  return builder.build();
}

/**
 * The update of stochastic gradient descent as a graph: as {@linkcode adamGraph}, with the momentum
 * in `buffer.p` and `new.buffer.p` where `momentum` is true. A buffer must be finite before its
 * first update.
 */
export function sgdGraph(parameters: readonly GraphParameter[], momentum: boolean): Graph {
  const builder = new GraphBuilder("sgd");
  const scalars = scalarInputs(builder, MOMENTUM_SCALARS);
  for (const { name, dims } of parameters) {
    const [weight, gradient] = inputs(builder, ["weight", "gradient"], name, dims);
    const scaled = times(builder, gradient, scalars.gradientScale);
    const g = builder.node("Add", [scaled, times(builder, weight, scalars.l2)]);
    let step = g;
    if (momentum) {
      const [buffer] = inputs(builder, ["buffer"], name, dims);
      const newBuffer = sum(
        builder,
        times(builder, buffer, scalars.momentum),
        times(builder, g, scalars.fresh),
        `new.buffer.${name}`,
      );
      builder.output(newBuffer, "float32", dims);
      step = builder.node("Add", [
        times(builder, g, scalars.ofGradient),
        times(builder, newBuffer, scalars.ofBuffer),
      ]);
    }
    const change = times(builder, step, scalars.lr);
    const outputs = [`new.weight.${name}`];
    builder.output(builder.node("Sub", [weight, change], {}, { outputs }), "float32", dims);
  }
  return builder.build();
}

/** The input `scalars` of {@linkcode adamGraph} for one update. */
export function adamScalarsTensor(update: AdamUpdate): Tensor {
  const scalars = adamScalars(update);
  return tensor("float32", [ADAM_SCALARS.length], ADAM_SCALARS.map((key) => scalars[key]));
}

/** The input `scalars` of {@linkcode sgdGraph} for one update. */
export function sgdScalarsTensor(update: SgdUpdate): Tensor {
  const scalars = momentumScalars(update);
  return tensor("float32", [MOMENTUM_SCALARS.length], MOMENTUM_SCALARS.map((key) => scalars[key]));
}

/** One small copy to the device for all scalars of an update, taken apart there. */
function scalarInputs<Key extends string>(
  builder: GraphBuilder,
  keys: readonly Key[],
): Record<Key, string> {
  const input = builder.input(SCALARS, "float32", [keys.length]);
  const pieces = builder.nodes("Split", [input], { axis: 0 }, { outputs: keys.length });
  const names: Partial<Record<Key, string>> = {};
  keys.forEach((key, i) => names[key] = builder.node("Squeeze", [pieces[i]!]));
  return names as Record<Key, string>;
}

function inputs<const Kinds extends readonly string[]>(
  builder: GraphBuilder,
  kinds: Kinds,
  name: string,
  dims: readonly number[],
): { [Index in keyof Kinds]: string } {
  const names = kinds.map((kind) => builder.input(`${kind}.${name}`, "float32", dims));
  return names as { [Index in keyof Kinds]: string };
}

function times(builder: GraphBuilder, a: string, b: string): string {
  return builder.node("Mul", [a, b]);
}

function sum(builder: GraphBuilder, a: string, b: string, name: string): string {
  return builder.node("Add", [a, b], {}, { outputs: [name] });
}
