import type { Graph, Tensor } from "../onnx/mod.ts";
import {
  type AdamScalars,
  adamScalars,
  type AdamUpdate,
  type MomentumScalars,
  momentumScalars,
  type SgdUpdate,
} from "./kernels/optimizers.ts";
import { type GraphParameter, scalarsTensor, UpdateGraph } from "./update_graph.ts";
import type { UpdateGraphOptions } from "./update_graph.ts";

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
export function adamGraph(
  parameters: readonly GraphParameter[],
  options: UpdateGraphOptions = {},
): Graph {
  const graph = new UpdateGraph("adam", ADAM_SCALARS, options);
  const { scalars } = graph;
  for (const p of parameters) {
    const [weight, gradient] = graph.parameter(p);
    const [m, v] = [graph.state("m", p), graph.state("v", p)];
    const g = graph.node("Add", gradient, graph.times(weight, scalars.l2));
    const [keptM, freshM] = [graph.times(m, scalars.beta1), graph.times(g, scalars.first)];
    const newM = graph.become("m", p, "Add", keptM, freshM);
    const freshV = graph.times(graph.times(g, scalars.second), g);
    const newV = graph.become("v", p, "Add", graph.times(v, scalars.beta2), freshV);
    const root = graph.node("Add", graph.node("Sqrt", newV), scalars.eps);
    const step = graph.node("Div", graph.times(newM, scalars.stepSize), root);
    const whole = graph.node("Add", step, graph.times(weight, scalars.decay));
    graph.become("weight", p, "Sub", weight, whole);
  }
  return graph.build();
}

/**
 * The update of stochastic gradient descent as a graph: as {@linkcode adamGraph}, with the momentum
 * in `buffer.p` and `new.buffer.p` where `momentum` is true. A buffer must be finite before its
 * first update.
 */
export function sgdGraph(
  parameters: readonly GraphParameter[],
  momentum: boolean,
  options: UpdateGraphOptions = {},
): Graph {
  const graph = new UpdateGraph("sgd", MOMENTUM_SCALARS, options);
  const { scalars } = graph;
  for (const p of parameters) {
    const [weight, gradient] = graph.parameter(p);
    const scaled = graph.times(gradient, scalars.gradientScale);
    const g = graph.node("Add", scaled, graph.times(weight, scalars.l2));
    let step = g;
    if (momentum) {
      const kept = graph.times(graph.state("buffer", p), scalars.momentum);
      const buffer = graph.become("buffer", p, "Add", kept, graph.times(g, scalars.fresh));
      const parts = [graph.times(g, scalars.ofGradient), graph.times(buffer, scalars.ofBuffer)];
      step = graph.node("Add", ...parts);
    }
    graph.become("weight", p, "Sub", weight, graph.times(step, scalars.lr));
  }
  return graph.build();
}

/** The input `scalars` of {@linkcode adamGraph} for one update. */
export function adamScalarsTensor(update: AdamUpdate): Tensor {
  return scalarsTensor(ADAM_SCALARS, adamScalars(update));
}

/** The input `scalars` of {@linkcode sgdGraph} for one update. */
export function sgdScalarsTensor(update: SgdUpdate): Tensor {
  return scalarsTensor(MOMENTUM_SCALARS, momentumScalars(update));
}
