import type { Facts, Graph, Node } from "../onnx/mod.ts";
import { PRODUCTS, workOf } from "./operator_work.ts";
import type { OperatorWork } from "./operator_work.ts";
import { Shapes } from "./shapes.ts";
import { gradientFlow } from "./gradient_flow.ts";
import type { GradientFlow } from "./gradient_flow.ts";

/** Time of an operator on the machine of speed 1, ms. */
export interface OperatorTime {
  readonly forward_ms: number;
  /** 0 where no gradient passes through it. */
  readonly backward_ms: number;
}

/** Times by node name. */
export type OperatorTimes = ReadonlyMap<string, OperatorTime>;

/** A nominal core with vector instructions; only ratios matter once some operators are measured. */
const FLOPS_PER_MS = 20e6;
const BYTES_PER_MS = 8e6;
/** What a node costs however small it is. */
const NODE_MS = 0.01;

/** Nodes that the gradient of an operator takes; others 2. */
const BACKWARD_NODES: Readonly<Record<string, number>> = {
  Conv: 6,
  BatchNormalization: 14,
  LayerNormalization: 12,
  Softmax: 4,
  LogSoftmax: 4,
  Relu: 3,
  Add: 1,
  Identity: 0,
};

/** time = operations / rate + bytes / bandwidth + 10 µs a node */
function timeOf(work: OperatorWork, factor: number, nodes: number): number {
  return factor * (work.flops / FLOPS_PER_MS + work.bytes / BYTES_PER_MS) + nodes * NODE_MS;
}

function backwardTime(node: Node, work: OperatorWork, flow: GradientFlow): number {
  const wanted = node.inputs.filter((name) => flow.differentiable.has(name));
  if (wanted.length === 0 || !node.outputs.some((name) => flow.differentiable.has(name))) return 0;
  // dX = dY·Wᵀ and dW = Xᵀ·dY are each as much work as Y = X·W
  const products = node.inputs.slice(0, 2).filter((name) => flow.differentiable.has(name)).length;
  const factor = PRODUCTS.has(node.op) ? products : 1.5;
  return timeOf(work, factor, BACKWARD_NODES[node.op] ?? 2);
}

/**
 * Analytic times of all nodes, for where nothing was measured:
 * operations at 20 GFLOP/s, bytes at 8 GB/s and 10 µs a node.
 *
 * @param batch samples in a micro-batch
 * @param trainable weights that get a gradient
 */
export function estimateCosts(
  graph: Graph,
  facts: Facts,
  batch: number,
  trainable: Iterable<string>,
): Map<string, OperatorTime> {
  const shapes = new Shapes(graph, facts, batch);
  const flow = gradientFlow(graph, facts, trainable);
  return new Map(graph.nodes.map((node) => {
    const work = workOf(node, shapes);
    const forward_ms = timeOf(work, 1, 1);
    return [node.name, { forward_ms, backward_ms: backwardTime(node, work, flow) }];
  }));
}

/**
 * Measured times where there are any, estimates for the other nodes. The estimates are scaled so
 * that they agree with the measured total on the measured nodes: one machine is not like another.
 *
 * @throws {RangeError} where a measured time is negative or not a number
 */
export function mergeTimes(estimated: OperatorTimes, measured: OperatorTimes): OperatorTimes {
  let guessed_ms = 0;
  let measured_ms = 0;
  for (const [name, time] of measured) {
    const guess = estimated.get(name);
    if (guess === undefined) continue;
    if (!(time.forward_ms >= 0 && time.backward_ms >= 0)) {
      throw new RangeError(`the measured time of node "${name}" is not a number of ms`);
    }
    guessed_ms += guess.forward_ms + guess.backward_ms;
    measured_ms += time.forward_ms + time.backward_ms;
  }
  const scale = measured_ms > 0 && guessed_ms > 0 ? measured_ms / guessed_ms : 1;
  return new Map(
    [...estimated].map(([name, { forward_ms, backward_ms }]) => [
      name,
      measured.get(name) ??
        { forward_ms: forward_ms * scale, backward_ms: backward_ms * scale },
    ]),
  );
}
