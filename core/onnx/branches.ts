import type { Graph, Node } from "./graph.ts";
import { withInputsRenamed } from "./subgraphs.ts";
import { numbers, type Tensor } from "./tensor.ts";

/**
 * The graph with the branch in the place of each If whose condition is an initializer; exporters
 * leave such nodes where the condition asks for shapes. The values that the If made keep their
 * names. Run it on a graph without shape arithmetic (see `foldConstants`); facts must be traced
 * again. A graph without such nodes is returned as it is.
 */
export function withChosenBranches(graph: Graph): Graph {
  const chosen = new Branches(graph);
  for (const node of graph.nodes) chosen.add(node);
  return chosen.changed
    ? { ...graph, nodes: chosen.nodes, initializers: chosen.initializers }
    : graph;
}

class Branches {
  readonly nodes: Node[] = [];
  readonly initializers: Map<string, Tensor>;
  changed = false;
  readonly #taken: Set<string>;

  constructor(graph: Graph) {
    this.initializers = new Map(graph.initializers);
    this.#taken = new Set([
      ...graph.inputs.map(({ name }) => name),
      ...graph.initializers.keys(),
      ...graph.nodes.flatMap(({ name, outputs }) => [name, ...outputs]),
    ]);
  }

  add(node: Node): void {
    const branch = this.#branchOf(node);
    if (branch === undefined) {
      this.nodes.push(node);
      return;
    }
    this.changed = true;
    const names = this.#namesIn(branch, node);
    for (const [name, value] of branch.initializers) {
      this.initializers.set(names.get(name)!, value);
    }
    for (const inner of branch.nodes) {
      const outputs = inner.outputs.map((name) => names.get(name) ?? name);
      const name = this.#unused(`${node.name}.${inner.name}`);
      this.add({ ...withInputsRenamed(inner, names), name, outputs });
    }
    branch.outputs.forEach(({ name }, i) => {
      const [from, to] = [names.get(name) ?? name, node.outputs[i]!];
      if (from === to || to === "") return;
      const copy = { name: this.#unused(`${node.name}.copy`), op: "Identity", domain: "" };
      this.nodes.push({ ...copy, inputs: [from], outputs: [to], attributes: {} });
    });
  }

  #branchOf({ op, domain, inputs, attributes }: Node): Graph | undefined {
    if (op !== "If" || domain !== "") return undefined;
    const condition = this.initializers.get(inputs[0]!);
    if (condition === undefined) return undefined;
    const branch = attributes[numbers(condition)[0] === 0 ? "else_branch" : "then_branch"];
    return branch?.type === "graph" ? branch.value : undefined;
  }

  /** Names that the branch's own values get: those of the If's outputs where they become these. */
  #namesIn(branch: Graph, node: Node): Map<string, string> {
    const names = new Map<string, string>();
    const made = new Set(branch.nodes.flatMap(({ outputs }) => outputs));
    branch.outputs.forEach(({ name }, i) => {
      const to = node.outputs[i] ?? "";
      if (made.has(name) && to !== "" && !names.has(name)) names.set(name, to);
    });
    for (const name of [...branch.initializers.keys(), ...made]) {
      if (name !== "" && !names.has(name)) names.set(name, this.#unused(`${node.name}.${name}`));
    }
    return names;
  }

  #unused(stem: string): string {
    let name = stem;
    for (let n = 2; this.#taken.has(name); n++) name = `${stem}_${n}`;
    this.#taken.add(name);
    return name;
  }
}
