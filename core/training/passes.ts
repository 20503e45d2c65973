import type { Gradients, TrainingGraph } from "../autodiff/mod.ts";
import type { Node } from "../onnx/mod.ts";
import type { LossSum } from "./loss_sum.ts";
import { splitBackward } from "./split_backward.ts";
import type { SplitBackward } from "./split_backward.ts";
import { freeValues, liveNodes } from "./stage_graphs.ts";
import type { Piece } from "./stage_graphs.ts";

/** What a stage does with a micro-batch, as pieces of graphs, and what one pass leaves another. */
export interface StagePasses {
  /** On the last stage with the loss and its gradient. */
  readonly forward: readonly Piece[];
  /** On the last stage in one graph with forward. Empty where there is nothing to do. */
  readonly backward: readonly Piece[];
  /** The gradients of the weights; empty where backward makes them. */
  readonly weights: readonly Piece[];
  /** Values that forward leaves for the passes after it. */
  readonly stash: readonly string[];
  /** Values that backward (or step) leaves for the gradients of the weights, where these wait. */
  readonly deferred: readonly string[] | undefined;
}

/** What `stagePasses` makes passes from. */
export interface PassesInput {
  readonly training: TrainingGraph;
  /** On the last stage. */
  readonly loss: LossSum | undefined;
  readonly gradients: Gradients;
  /** Gradients that go back to other stages, and those of the stage's own weights. */
  readonly back: readonly string[];
  readonly weights: readonly string[];
  /** Compute the forward again in the backward, instead of keeping its values. */
  readonly recompute: boolean;
  /** Leave the gradients of the weights to a pass of their own. */
  readonly split: boolean;
}

/** The passes of one stage. */
export function stagePasses(o: PassesInput): StagePasses {
  const { training: { graph }, loss, gradients, recompute } = o;
  const initializers = new Map([...graph.initializers, ...gradients.initializers]);
  const { back, weights } = partsOf(o);
  /** The nodes `of` gradients, and what they read of the forward where that was not kept. */
  const pass = (of: readonly Node[]): Piece[] => {
    const replayed = recompute ? liveNodes(graph.nodes, freeValues([...of, ...weights])) : [];
    return [replayed, of].filter(({ length }) => length > 0)
      .map((nodes) => ({ nodes, initializers }));
  };
  const forward = loss === undefined ? [graph] : [graph, loss, loss.gradient];
  const backward = back.length === 0 ? [] : pass(back);
  const before = loss === undefined ? backward : [...forward, ...backward];
  const isLate = weights.length > 0;
  return {
    forward,
    backward,
    weights: back.length === 0 ? pass(weights) : isLate ? [{ nodes: weights, initializers }] : [],
    stash: loss !== undefined || recompute
      ? []
      : madeBy([graph], freeValues([...back, ...weights])),
    deferred: isLate ? madeBy(before, [...freeValues(weights), ...o.weights]) : undefined,
  };
}

/** The gradients' nodes, in one part where two would bring nothing. */
function partsOf({ gradients, loss, split, ...o }: PassesInput): SplitBackward {
  const whole = { back: gradients.nodes, weights: [] };
  // Nobody waits for the last stage where it sends no gradient back.
  if (!split || (loss !== undefined && o.back.length === 0)) return whole;
  const ofWeights = new Set(o.weights);
  const parts = splitBackward(gradients.nodes, {
    back: o.back,
    weights: o.weights,
    keeps: (value) => gradients.wholes.has(value) || ofWeights.has(value),
  });
  return parts.weights.length > 0 ? parts : whole;
}

/** Those of `values` that the nodes of `pieces` make, each once. */
function madeBy(pieces: readonly Piece[], values: Iterable<string>): string[] {
  const made = new Set(pieces.flatMap(({ nodes }) => nodes.flatMap(({ outputs }) => outputs)));
  return [...new Set(values)].filter((value) => made.has(value));
}
