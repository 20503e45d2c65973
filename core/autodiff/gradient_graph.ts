import type { Dimension, Extent, Facts, Graph, ValueInfo } from "../onnx/mod.ts";
import { RavnError } from "../error.ts";
import { differentiate } from "./differentiate.ts";
import type { ChooseFormulation } from "./formulation.ts";

/** A graph with its backward pass in it. */
export interface GradientGraph {
  /** Inputs are those of the original graph, then one seed for each of its outputs. */
  readonly graph: Graph;
  /** By output of the original graph: the input that takes dL/doutput. */
  readonly seeds: ReadonlyMap<string, string>;
  /** By value of `wrt`: the output that gives dL/dvalue. */
  readonly gradients: ReadonlyMap<string, string>;
}

/** A shape with names for the dimensions that follow the batch. */
function shapeOf(dims: readonly Extent[], name: string): Dimension[] {
  return dims.map((extent, axis) => {
    if (typeof extent === "number") return extent;
    return extent.perSample === 1 ? "batch" : `${name}.${axis}`;
  });
}

function infoOf(name: string, value: string, facts: Facts): ValueInfo {
  const fact = facts.get(value);
  if (fact === undefined) throw new RavnError(`nothing is known of the shape of "${value}"`);
  return { name, dtype: fact.dtype, shape: shapeOf(fact.dims, name) };
}

/**
 * One graph for forward and backward: it computes the outputs `outputs` of a graph and, from the
 * gradients of a loss with respect to them, those with respect to `wrt`. Initializers among `wrt`
 * become inputs.
 *
 * @throws {RavnError} as `differentiate`.
 */
export function gradientGraph(
  graph: Graph,
  facts: Facts,
  o: {
    outputs: readonly string[];
    wrt: readonly string[];
    choose?: ChooseFormulation;
    threads?: number;
  },
): GradientGraph {
  const seeds = new Map(o.outputs.map((output) => [output, `grad.seed.${output}`]));
  const choose = o.choose === undefined ? {} : { choose: o.choose };
  const threads = o.threads === undefined ? {} : { threads: o.threads };
  const backward = differentiate({ graph, facts, seeds, wrt: o.wrt, ...choose, ...threads });
  const parameters = o.wrt.filter((value) => graph.initializers.has(value));
  const fixed = [...graph.initializers].filter(([name]) => !parameters.includes(name));
  const results = [...backward.gradients].map(([value, name]) => infoOf(name, value, facts));
  return {
    graph: {
      ...graph,
      nodes: [...graph.nodes, ...backward.nodes],
      inputs: [
        ...graph.inputs,
        ...parameters.map((name) => infoOf(name, name, facts)),
        ...[...seeds].map(([output, seed]) => infoOf(seed, output, facts)),
      ],
      outputs: [...o.outputs.map((name) => infoOf(name, name, facts)), ...results],
      initializers: new Map([...fixed, ...backward.initializers]),
      opsets: new Map([...graph.opsets, ...backward.opsets]),
    },
    seeds,
    gradients: backward.gradients,
  };
}

/**
 * The forward part of a gradient graph alone: it takes the inputs of the whole but for the seeds,
 * and gives the outputs of `graph`.
 */
export function forwardGraph(graph: Graph, whole: GradientGraph): Graph {
  const seeds = new Set(whole.seeds.values());
  const inputs = whole.graph.inputs.filter(({ name }) => !seeds.has(name));
  const fed = new Set(inputs.map(({ name }) => name));
  const initializers = new Map([...graph.initializers].filter(([name]) => !fed.has(name)));
  return { ...graph, inputs, initializers };
}
