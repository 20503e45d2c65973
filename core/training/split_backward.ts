import type { Node } from "../onnx/mod.ts";
import { liveNodes } from "./stage_graphs.ts";

/** The nodes of a backward pass in two parts, each in topological order. */
export interface SplitBackward {
  /** Makes the gradients that go back. */
  readonly back: readonly Node[];
  /** Makes the gradients of the weights of what `back` made; may repeat a few nodes of it. */
  readonly weights: readonly Node[];
}

/** What `splitBackward` must know of the values of a backward pass. */
export interface SplitOptions {
  /** Gradients that go back. */
  readonly back: Iterable<string>;
  /** Gradients of weights. */
  readonly weights: readonly string[];
  /** Whether a value may be kept from one part to the other: its type and shape are known. */
  readonly keeps: (value: string) => boolean;
}

/** Operators that only view or copy elements: to repeat one costs little, and no memory. */
const MOVES = new Set([
  "Cast",
  "Concat",
  "Expand",
  "Flatten",
  "Gather",
  "Identity",
  "Pad",
  "Reshape",
  "Shape",
  "Slice",
  "SpaceToDepth",
  "Squeeze",
  "Transpose",
  "Unsqueeze",
]);

/**
 * Parts a backward pass (Qi et al. 2023, Zero Bubble Pipeline Parallelism, section 2: B and W).
 * With y = x·W the gradient of x, dy·Wᵀ, goes back at once; that of W, xᵀ·dy, is left for later,
 * and dy is kept for it. Nothing is computed twice but what only moves elements.
 *
 * A gradient of a weight that shares work with the way back, as those of normalization layers do,
 * is made there: it is small, and what it is made from need not be kept.
 */
export function splitBackward(nodes: readonly Node[], o: SplitOptions): SplitBackward {
  const makers = new Map(
    nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)),
  );
  const early = new Set(o.back);
  while (true) {
    const back = liveNodes(nodes, early);
    const made = new Set(back.flatMap(({ outputs }) => outputs));
    const late = new Set<Node>();
    const shared = o.weights.filter((gradient) => {
      if (made.has(gradient)) return false;
      const needed = nodesAfter(gradient, makers, (value) => made.has(value), o.keeps);
      for (const node of needed ?? []) late.add(node);
      return needed === undefined;
    });
    if (shared.length === 0) return { back, weights: nodes.filter((node) => late.has(node)) };
    for (const gradient of shared) early.add(gradient);
  }
}

/**
 * The nodes that make `gradient` from what another part has made, or undefined where that would
 * have to hand on a value that it cannot.
 */
function nodesAfter(
  gradient: string,
  makers: ReadonlyMap<string, Node>,
  isMade: (value: string) => boolean,
  keeps: (value: string) => boolean,
): Set<Node> | undefined {
  const needed = new Set<Node>();
  const open = [gradient];
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    const node = makers.get(value);
    if (node === undefined || needed.has(node)) continue;
    if (isMade(value)) {
      if (keeps(value)) continue;
      if (node.domain !== "" || !MOVES.has(node.op)) return undefined;
    }
    needed.add(node);
    open.push(...node.inputs);
  }
  return needed;
}
