import type { Graph, Tensor } from "../onnx/mod.ts";
import { adagradScalars, lionScalars, rmspropScalars } from "./kernels/adaptive.ts";
import type {
  AdagradScalars,
  AdagradUpdate,
  LionScalars,
  LionUpdate,
  RmspropScalars,
  RmspropUpdate,
} from "./kernels/adaptive.ts";
import { lambScalars } from "./kernels/lamb.ts";
import type { LambScalars, LambUpdate } from "./kernels/lamb.ts";
import { type GraphParameter, scalarsTensor, UpdateGraph } from "./update_graph.ts";
import type { UpdateGraphOptions } from "./update_graph.ts";

/** Order of the scalars of each rule in the input `scalars`. */
const RMSPROP_SCALARS: readonly (keyof RmspropScalars)[] = [
  ...["gradientScale", "l2", "alpha", "fresh", "eps", "lr", "momentum"] as const,
];
const ADAGRAD_SCALARS: readonly (keyof AdagradScalars)[] = ["gradientScale", "l2", "eps", "lr"];
const LION_SCALARS: readonly (keyof LionScalars)[] = [
  ...["gradientScale", "beta1", "beta2", "lr", "decay"] as const,
];
const LAMB_SCALARS: readonly (keyof LambScalars)[] = [
  ...["beta1", "first", "beta2", "second", "ofMoment", "eps", "decay", "lr"] as const,
];

/**
 * The update of RMSprop as a graph, as `adamGraph` is one of Adam: state in `v.p`, with `centered`
 * in `average.p`, with `momentum` in `buffer.p`.
 */
export function rmspropGraph(
  parameters: readonly GraphParameter[],
  has: { readonly centered: boolean; readonly momentum: boolean },
  options: UpdateGraphOptions = {},
): Graph {
  const graph = new UpdateGraph("rmsprop", RMSPROP_SCALARS, options);
  const { scalars } = graph;
  for (const p of parameters) {
    const [weight, gradient] = graph.parameter(p);
    const scaled = graph.times(gradient, scalars.gradientScale);
    const g = graph.node("Add", scaled, graph.times(weight, scalars.l2));
    const fed = graph.times(g, scalars.fresh);
    const kept = graph.times(graph.state("v", p), scalars.alpha);
    let spread = graph.become("v", p, "Add", kept, graph.times(fed, g));
    if (has.centered) {
      const before = graph.times(graph.state("average", p), scalars.alpha);
      const average = graph.become("average", p, "Add", before, fed);
      const difference = graph.node("Sub", spread, graph.times(average, average));
      spread = graph.node("Max", difference, graph.number(0));
    }
    let step = graph.node("Div", g, graph.node("Add", graph.node("Sqrt", spread), scalars.eps));
    if (has.momentum) {
      const buffer = graph.times(graph.state("buffer", p), scalars.momentum);
      step = graph.become("buffer", p, "Add", buffer, step);
    }
    graph.become("weight", p, "Sub", weight, graph.times(step, scalars.lr));
  }
  return graph.build();
}

/** The update of Adagrad as a graph, as `adamGraph` is one of Adam: state in `sum.p`. */
export function adagradGraph(
  parameters: readonly GraphParameter[],
  options: UpdateGraphOptions = {},
): Graph {
  const graph = new UpdateGraph("adagrad", ADAGRAD_SCALARS, options);
  const { scalars } = graph;
  for (const p of parameters) {
    const [weight, gradient] = graph.parameter(p);
    const scaled = graph.times(gradient, scalars.gradientScale);
    const g = graph.node("Add", scaled, graph.times(weight, scalars.l2));
    const sum = graph.become("sum", p, "Add", graph.state("sum", p), graph.times(g, g));
    const step = graph.node("Div", g, graph.node("Add", graph.node("Sqrt", sum), scalars.eps));
    graph.become("weight", p, "Sub", weight, graph.times(step, scalars.lr));
  }
  return graph.build();
}

/**
 * The update of Lion as a graph, as `adamGraph` is one of Adam: state in `m.p`. One node alone
 * reads the old m, so that the new one may take its place.
 */
export function lionGraph(
  parameters: readonly GraphParameter[],
  options: UpdateGraphOptions = {},
): Graph {
  const graph = new UpdateGraph("lion", LION_SCALARS, options);
  const { scalars } = graph;
  for (const p of parameters) {
    const [weight, gradient] = graph.parameter(p);
    const g = graph.times(gradient, scalars.gradientScale);
    const difference = graph.node("Sub", graph.state("m", p), g);
    const mixed = graph.node("Add", g, graph.times(difference, scalars.beta1));
    graph.become("m", p, "Add", g, graph.times(difference, scalars.beta2));
    const change = graph.times(graph.node("Sign", mixed), scalars.lr);
    const whole = graph.node("Add", change, graph.times(weight, scalars.decay));
    graph.become("weight", p, "Sub", weight, whole);
  }
  return graph.build();
}

/**
 * The update of LAMB as a graph, as `adamGraph` is one of Adam: state in `m.p` and `v.p`. Each of
 * `parameters` must be a whole parameter, since its norm counts.
 */
export function lambGraph(
  parameters: readonly GraphParameter[],
  options: UpdateGraphOptions = {},
): Graph {
  const graph = new UpdateGraph("lamb", LAMB_SCALARS, options);
  const { scalars } = graph;
  const [zero, one] = [graph.number(0), graph.number(1)];
  for (const p of parameters) {
    const [weight, g] = graph.parameter(p);
    const [m, v] = [graph.state("m", p), graph.state("v", p)];
    const [keptM, freshM] = [graph.times(m, scalars.beta1), graph.times(g, scalars.first)];
    const newM = graph.become("m", p, "Add", keptM, freshM);
    const freshV = graph.times(graph.times(g, scalars.second), g);
    const newV = graph.become("v", p, "Add", graph.times(v, scalars.beta2), freshV);
    const root = graph.node("Add", graph.node("Sqrt", newV), scalars.eps);
    const moved = graph.node("Div", graph.times(newM, scalars.ofMoment), root);
    const step = graph.node("Add", moved, graph.times(weight, scalars.decay));
    const [squares, steps] = [graph.sumOfSquares(weight), graph.sumOfSquares(step)];
    const both = graph.node(
      "And",
      graph.node("Greater", squares, zero),
      graph.node("Greater", steps, zero),
    );
    const ratio = graph.node("Sqrt", graph.node("Div", squares, steps));
    const rate = graph.times(graph.node("Where", both, ratio, one), scalars.lr);
    graph.become("weight", p, "Sub", weight, graph.times(step, rate));
  }
  return graph.build();
}

/** The input `scalars` of {@linkcode rmspropGraph} for one update. */
export function rmspropScalarsTensor(update: RmspropUpdate): Tensor {
  return scalarsTensor(RMSPROP_SCALARS, rmspropScalars(update));
}

/** The input `scalars` of {@linkcode adagradGraph} for one update. */
export function adagradScalarsTensor(update: AdagradUpdate): Tensor {
  return scalarsTensor(ADAGRAD_SCALARS, adagradScalars(update));
}

/** The input `scalars` of {@linkcode lionGraph} for one update. */
export function lionScalarsTensor(update: LionUpdate): Tensor {
  return scalarsTensor(LION_SCALARS, lionScalars(update));
}

/** The input `scalars` of {@linkcode lambGraph} for one update. */
export function lambScalarsTensor(update: LambUpdate): Tensor {
  return scalarsTensor(LAMB_SCALARS, lambScalars(update));
}
