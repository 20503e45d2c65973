import {
  consumers,
  type Facts,
  type Graph,
  type Node,
  producers,
  withoutDeadNodes,
} from "../onnx/mod.ts";
import { Call, type Surroundings } from "./call.ts";
import { decompositionOf } from "./decomposition/mod.ts";
import { MICROSOFT } from "./emit.ts";
import { Operations } from "./operations.ts";

/**
 * The graph with some operators written out in plain ones, which have gradients: attention,
 * recurrent networks unrolled over their sequence, and rare fused forms. The values that such a
 * node made keep their names. Run it on a graph without shape arithmetic; the facts of the result
 * must be traced again. A graph without such operators is returned as it is.
 *
 * @throws {RavnError} naming the node, where one is in a form that cannot be written out.
 */
export function decomposed(graph: Graph, facts: Facts): Graph {
  const opsetOf = ({ domain }: Node) => graph.opsets.get(domain) ?? 1;
  if (!graph.nodes.some((node) => decompositionOf(node) !== undefined)) return graph;
  const nodes: Node[] = [];
  const initializers = new Map(graph.initializers);
  const opsets = new Map(graph.opsets);
  const taken = new Set([...facts.keys(), ...initializers.keys()]);
  for (const { name, outputs } of graph.nodes) {
    for (const used of [name, ...outputs]) taken.add(used);
  }
  const around = surroundings(graph, facts);
  for (const node of graph.nodes) {
    const expand = decompositionOf(node);
    if (expand === undefined) {
      nodes.push(node);
      continue;
    }
    const emit = new Operations(graph.opsets.get("") ?? 1, taken, "");
    emit.enter(node.name);
    const results = expand(new Call(node, opsetOf(node), emit, [], around));
    const made = withNames(emit, node, results);
    for (const { name, outputs } of made) for (const used of [name, ...outputs]) taken.add(used);
    nodes.push(...made);
    for (const [name, value] of emit.initializers) {
      taken.add(name);
      initializers.set(name, value);
    }
    if (emit.domains.has(MICROSOFT)) opsets.set(MICROSOFT, 1);
  }
  return withoutDeadNodes({ ...graph, nodes, initializers, opsets });
}

function surroundings(graph: Graph, facts: Facts): Surroundings {
  const [readers, makers] = [consumers(graph), producers(graph)];
  return {
    facts,
    initializers: graph.initializers,
    consumers: (value) => readers.get(value) ?? [],
    producer: (value) => makers.get(value),
    exposed: () => false,
    carries: () => false,
    choose: undefined,
    threads: 1,
  };
}

/** The emitted nodes, giving their results under the names of the outputs of `node`. */
function withNames(
  emit: Operations,
  node: Node,
  results: readonly (string | undefined)[],
): Node[] {
  const made = new Set(emit.nodes.flatMap(({ outputs }) => outputs));
  const names = new Map<string, string>();
  const copies: Node[] = [];
  node.outputs.forEach((output, i) => {
    const result = results[i];
    if (output === "" || result === undefined) return;
    if (made.has(result) && !names.has(result)) names.set(result, output);
    else {
      copies.push({
        name: emit.fresh("copy"),
        op: "Identity",
        domain: "",
        inputs: [result],
        outputs: [output],
        attributes: {},
      });
    }
  });
  const named = (value: string) => names.get(value) ?? value;
  return [...emit.nodes, ...copies].map((each) => ({
    ...each,
    inputs: each.inputs.map(named),
    outputs: each.outputs.map(named),
  }));
}
