import {
  consumers,
  type Facts,
  type Graph,
  isFloat,
  type Node,
  producers,
  readsOf,
  type Tensor,
} from "../onnx/mod.ts";
import { Call, type Surroundings } from "./call.ts";
import { MICROSOFT } from "./emit.ts";
import type { ChooseFormulation } from "./formulation.ts";
import { Operations } from "./operations.ts";
import { refusal } from "./refusal.ts";
import { ruleFor } from "./rules/mod.ts";

/** What to differentiate, and with respect to what. */
export interface DifferentiateOptions {
  readonly graph: Graph;
  /** Element type and shape of every value of `graph`. */
  readonly facts: Facts;
  /** By value of `graph`: the name of the value that holds dL/dvalue, or several to be summed. */
  readonly seeds: ReadonlyMap<string, string | readonly string[]>;
  /** The values whose gradients are wanted: parameters, inputs, or anything between. */
  readonly wrt: readonly string[];
  /** Picks a formulation where a gradient has several; the rules' own choice if absent. */
  readonly choose?: ChooseFormulation;
  /**
   * Threads on which the nodes will run, as far as that is known: one takes the formulations with
   * the least work, more (the default) those whose work is shared.
   */
  readonly threads?: number;
}

/** The backward pass of a graph: more nodes that read its values and the seeds. */
export interface Gradients {
  /** In topological order. They read values of the graph, seeds, and each other. */
  readonly nodes: readonly Node[];
  /** Constants of the nodes. */
  readonly initializers: ReadonlyMap<string, Tensor>;
  /** By value of `wrt`: the name of its gradient. A value on which no seed depends is absent. */
  readonly gradients: ReadonlyMap<string, string>;
  /** By value of the nodes, where it is the whole gradient of a value of the graph: that value. */
  readonly wholes: ReadonlyMap<string, string>;
  /** Operator sets that the nodes use, for the model in which they are placed. */
  readonly opsets: ReadonlyMap<string, number>;
}

/** Threads that are assumed where nothing is said. */
const THREADS = 2;

/** Version of ONNX Runtime's own operator set. */
const MICROSOFT_OPSET = 1;

/**
 * Reverse-mode differentiation of a graph: walks it backwards from the seeds and lets each node's
 * rule turn the gradients of its outputs into those of its inputs (Griewank and Walther, Evaluating
 * Derivatives, chapter 3). Only nodes on a path from `wrt` to a seed are visited. Contributions of
 * several consumers are summed; broadcasting is undone here and nowhere else.
 *
 * @throws {RavnError} at an operator without a rule, naming the node.
 */
export function differentiate(o: DifferentiateOptions): Gradients {
  const walk = new Walk(o);
  for (const node of o.graph.nodes.toReversed()) walk.visit(node);
  const gradients = new Map<string, string>();
  for (const value of o.wrt) {
    const total = walk.total(value);
    if (total !== undefined) gradients.set(value, total);
  }
  const { nodes, initializers, opset, domains } = walk.emit;
  const opsets = new Map([["", opset]]);
  if (domains.has(MICROSOFT)) opsets.set(MICROSOFT, MICROSOFT_OPSET);
  return { nodes, initializers, gradients, wholes: walk.wholes, opsets };
}

class Walk {
  readonly emit: Operations;
  /** By gradient: the value whose whole gradient it is. */
  readonly wholes = new Map<string, string>();
  readonly #graph: Graph;
  readonly #around: Surroundings;
  /** Values that depend on `wrt` through operators that pass gradients on. */
  readonly #carrying: ReadonlySet<string>;
  /** Gradients that have arrived at each value so far. */
  readonly #contributions = new Map<string, string[]>();

  constructor({ graph, facts, seeds, wrt, choose, threads = THREADS }: DifferentiateOptions) {
    this.#graph = graph;
    this.#carrying = carryingValues(graph, facts, wrt);
    for (const [value, seed] of seeds) {
      if (this.#carrying.has(value)) {
        this.#contributions.set(value, typeof seed === "string" ? [seed] : [...seed]);
      }
    }
    const names = [...facts.keys(), ...graph.initializers.keys(), ...[...seeds.values()].flat()];
    for (const { name, outputs } of graph.nodes) names.push(name, ...outputs);
    this.emit = new Operations(graph.opsets.get("") ?? 1, names, "grad.");
    const [readers, makers] = [consumers(graph), producers(graph)];
    const asked = new Set(wrt);
    this.#around = {
      facts,
      initializers: graph.initializers,
      consumers: (value) => readers.get(value) ?? [],
      producer: (value) => makers.get(value),
      exposed: (value) => seeds.has(value) || asked.has(value),
      carries: (value) => this.#carrying.has(value),
      choose,
      threads,
    };
  }

  /** The whole gradient of a value, once all its consumers have been visited. */
  total(value: string): string | undefined {
    const contributions = this.#contributions.get(value);
    if (contributions === undefined) return undefined;
    const total = this.emit.sum(contributions);
    this.#contributions.set(value, [total]);
    this.wholes.set(total, value);
    return total;
  }

  /** Passes the gradients of a node's outputs on to its inputs. */
  visit(node: Node): void {
    if (!node.outputs.some((output) => this.#contributions.has(output))) return;
    if (![...readsOf(node)].some((value) => this.#carrying.has(value))) return;
    this.emit.enter(node.name);
    const outputGradients = node.outputs.map((output) => this.total(output));
    const opset = this.#graph.opsets.get(node.domain) ?? 1;
    const rule = ruleFor(node.op, node.domain, opset);
    if (rule === undefined) throw refusal(node, opset);
    if (rule.kind === "zero") return;
    const call = new Call(node, opset, this.emit, outputGradients, this.#around);
    const gradients = rule.gradients(call);
    node.inputs.forEach((input, i) => {
      const gradient = gradients[i];
      if (gradient === undefined || !this.#carrying.has(input)) return;
      const made = gradient();
      const dims = rule.broadcasts ? call.dims(call.output()) : undefined;
      this.#arrive(input, dims === undefined ? made : call.unbroadcast(made, dims, i));
    });
    this.emit.enter("");
  }

  #arrive(value: string, gradient: string): void {
    const contributions = this.#contributions.get(value);
    if (contributions === undefined) this.#contributions.set(value, [gradient]);
    else contributions.push(gradient);
  }
}

/**
 * The values of float type that depend on `wrt` by a path along which gradients flow, and all that
 * refused operators make of them: so a gradient does not end unseen at the integers of a quantized
 * layer.
 */
function carryingValues(graph: Graph, facts: Facts, wrt: readonly string[]): Set<string> {
  const floats = (value: string) => {
    const fact = facts.get(value);
    return fact === undefined || isFloat(fact.dtype);
  };
  const carrying = new Set(wrt.filter(floats));
  for (const node of graph.nodes) {
    if (![...readsOf(node)].some((value) => carrying.has(value))) continue;
    const rule = ruleFor(node.op, node.domain, graph.opsets.get(node.domain) ?? 1);
    if (rule?.kind === "zero") continue;
    for (const output of node.outputs) {
      if (output !== "" && (rule === undefined || floats(output))) carrying.add(output);
    }
  }
  return carrying;
}
