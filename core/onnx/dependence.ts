import type { Graph, Node } from "./graph.ts";
import { readsOf } from "./subgraphs.ts";
import { elementCount, isFloat } from "./tensor.ts";

/** Operators whose result is drawn at random. */
const RANDOM = new Set([
  "Bernoulli",
  "Multinomial",
  "RandomNormal",
  "RandomNormalLike",
  "RandomUniform",
  "RandomUniformLike",
]);

/**
 * The values that may change from step to step of a training: those that depend on the data of an
 * input, on a draw of random numbers, or on a parameter. All others depend on shapes and constants.
 *
 * `Shape` and `Size` read no data. Without `parameters`, every float initializer counts as one.
 * One of a single element may also be a factor in shape arithmetic, so its trace ends at the first
 * value that is not a float: no gradient passes there.
 */
export function varyingValues(graph: Graph, parameters?: ReadonlySet<string>): Set<string> {
  const varying = new Set(graph.inputs.map(({ name }) => name));
  const perhaps = new Set<string>();
  for (const [name, { dtype, dims }] of graph.initializers) {
    if (parameters === undefined ? isFloat(dtype) : parameters.has(name)) {
      if (parameters === undefined && elementCount(dims) === 1) perhaps.add(name);
      else varying.add(name);
    }
  }
  for (const node of graph.nodes) {
    if (isShapeQuery(node)) continue;
    const reads = [...readsOf(node)];
    const outputs = node.outputs.filter((name) => name !== "");
    if (isRandom(node) || reads.some((name) => varying.has(name))) {
      for (const output of outputs) varying.add(output);
    } else if (!givesIntegers(node) && reads.some((name) => perhaps.has(name))) {
      for (const output of outputs) perhaps.add(output);
    }
  }
  for (const name of perhaps) varying.add(name);
  return varying;
}

function isShapeQuery({ op, domain }: Node): boolean {
  return domain === "" && (op === "Shape" || op === "Size");
}

function isRandom({ op, domain }: Node): boolean {
  return domain === "" && RANDOM.has(op);
}

/** Where a float's way into shape arithmetic ends. */
function givesIntegers(node: Node): boolean {
  if (node.domain !== "") return false;
  const to = node.attributes["to"];
  if (node.op === "Cast") return to?.type === "int" && ![1, 10, 11, 16].includes(to.value);
  return COMPARISONS.has(node.op);
}

const COMPARISONS = new Set([
  "Equal",
  "Greater",
  "GreaterOrEqual",
  "Less",
  "LessOrEqual",
  "IsInf",
  "IsNaN",
  "ArgMax",
  "ArgMin",
]);
