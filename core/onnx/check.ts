import { RavnError } from "../error.ts";
import type { Graph, Node } from "./graph.ts";
import {
  type Arity,
  firstOpset,
  isKnownDomain,
  knownDomains,
  OPSETS,
  signatureOf,
} from "./operators.ts";
import { inTopologicalOrder } from "./order.ts";
import { readsOf, subgraphsOf } from "./subgraphs.ts";

/** Where a graph comes from, for error messages. */
export interface GraphSource {
  /** Path of the file, or another name that the user knows it by. */
  readonly file: string;
}

/**
 * Checks everything about a graph that can be known without running it: opsets, operators, their
 * arity and required attributes, that names are defined once, before their use, and that node names
 * are unique.
 *
 * @throws {RavnError} for the first fault, naming file, node and operator.
 */
export function checkGraph(graph: Graph, where: GraphSource): void {
  checkOpsets(graph, where.file);
  checkNodes(graph, graph.opsets, new Set(), where.file);
}

function checkOpsets(graph: Graph, file: string): void {
  const version = graph.opsets.get("");
  if (version !== undefined && !(version >= OPSETS.oldest && version <= OPSETS.newest)) {
    throw new RavnError(
      `${file}: uses opset ${version}; ravn reads opset ${OPSETS.oldest} to ${OPSETS.newest}, ` +
        "export the model with one of these",
    );
  }
}

/** A subgraph has the opsets of the model, and sees the values of the graphs around it. */
function checkNodes(
  graph: Graph,
  opsets: ReadonlyMap<string, number>,
  outer: ReadonlySet<string>,
  file: string,
): void {
  const defined = new Set(outer);
  const define = (name: string, what: string) => {
    if (name === "") throw new RavnError(`${file}: ${what} has an empty name`);
    if (defined.has(name)) {
      throw new RavnError(`${file}: ${what} defines the value '${name}', which exists already`);
    }
    defined.add(name);
  };
  for (const { name } of graph.inputs) define(name, `input '${name}'`);
  for (const name of graph.initializers.keys()) define(name, `initializer '${name}'`);
  const names = new Set<string>();
  for (const node of graph.nodes) {
    const what = describe(node);
    if (names.has(node.name)) throw new RavnError(`${file}: there are two nodes '${node.name}'`);
    names.add(node.name);
    checkOperator(node, opsets, `${file}: ${what}`);
    for (const name of readsOf(node)) {
      if (!defined.has(name)) throw undefinedValue(graph, node, name, file);
    }
    for (const subgraph of subgraphsOf(node)) checkNodes(subgraph, opsets, defined, file);
    for (const output of node.outputs) if (output !== "") define(output, what);
  }
  for (const { name } of graph.outputs) {
    if (!defined.has(name)) throw new RavnError(`${file}: nothing computes the output '${name}'`);
  }
}

function describe(node: Node): string {
  return `node '${node.name}' (${node.op})`;
}

function undefinedValue(graph: Graph, node: Node, name: string, file: string): RavnError {
  // Throws with a better message where the value is missing because of a cycle.
  inTopologicalOrder(graph, file);
  const later = graph.nodes.find(({ outputs }) => outputs.includes(name));
  return new RavnError(
    later === undefined
      ? `${file}: ${describe(node)} reads '${name}', which nothing computes`
      : `${file}: ${describe(node)} reads '${name}' before ${describe(later)} computes it`,
  );
}

/** Holds one node against the table of operators; `what` names file and node. */
export function checkOperator(
  node: Node,
  opsets: ReadonlyMap<string, number>,
  what: string,
): void {
  if (!isKnownDomain(node.domain)) {
    throw new RavnError(
      `${what}: operators of the domain '${node.domain}' are not supported; known are ` +
        knownDomains().map((domain) => domain === "" ? "ai.onnx" : domain).join(", "),
    );
  }
  const opset = opsets.get(node.domain);
  if (opset === undefined) {
    throw new RavnError(`${what}: the model imports no opset for '${node.domain || "ai.onnx"}'`);
  }
  const signature = signatureOf(node.domain, node.op, opset);
  if (signature === undefined) throw unknownOperator(node, opset, what);
  checkArity(node.inputs, signature.inputs, "input", what);
  checkArity(node.outputs, signature.outputs, "output", what);
  for (const attribute of signature.attributes) {
    if (!Object.hasOwn(node.attributes, attribute)) {
      throw new RavnError(`${what}: lacks the attribute '${attribute}'`);
    }
  }
}

function unknownOperator(node: Node, opset: number, what: string): RavnError {
  const domain = node.domain || "ai.onnx";
  const first = firstOpset(node.domain, node.op);
  if (first === undefined) {
    return new RavnError(`${what}: the domain ${domain} has no operator '${node.op}'`);
  }
  return new RavnError(
    first > opset
      ? `${what}: exists since opset ${first} of ${domain}, but the model imports opset ${opset}`
      : `${what}: exists no more in opset ${opset} of ${domain}; export with an older opset`,
  );
}

function checkArity(
  names: readonly string[],
  { min, max, required }: Arity,
  kind: "input" | "output",
  what: string,
): void {
  if (names.length < min || names.length > max) {
    const expected = min === max ? `${min}` : max === Infinity ? `${min} or more` : `${min}–${max}`;
    throw new RavnError(`${what}: has ${names.length} ${kind}s, expected ${expected}`);
  }
  names.forEach((name, position) => {
    // An empty name among the inputs of a variadic operator ends the process, too.
    const needed = required.includes(position) ||
      (kind === "input" && max === Infinity && position >= min);
    if (name === "" && needed) {
      throw new RavnError(`${what}: ${kind} ${position} is missing, but it is required`);
    }
  });
}
