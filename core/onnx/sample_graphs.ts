/** Graphs that the tests of this folder share. */
import { GraphBuilder } from "./builder.ts";
import type { Attribute, Graph, Node } from "./graph.ts";
import { int64s, tensor } from "./tensor.ts";

/** A node from its essentials; name and output are made from the operator. */
export function node(
  op: string,
  inputs: readonly string[],
  outputs: readonly string[],
  more: { name?: string; domain?: string; attributes?: Record<string, Attribute> } = {},
): Node {
  return {
    name: more.name ?? `${op} of ${outputs[0]}`,
    op,
    domain: more.domain ?? "",
    inputs,
    outputs,
    attributes: more.attributes ?? {},
  };
}

/** A graph over the input `x` [batch, 4] and the output `y`, both float32. */
export function graphOf(nodes: readonly Node[], more: Partial<Graph> = {}): Graph {
  return {
    name: "sample",
    nodes,
    inputs: [{ name: "x", dtype: "float32", shape: ["batch", 4] }],
    outputs: [{ name: "y", dtype: "float32" }],
    initializers: new Map(),
    opsets: new Map([["", 17]]),
    ...more,
  };
}

/** An If node whose branches read `x` and `w` from the graph around them. */
export function ifNode(condition: string, output: string): Node {
  const branch = (op: string, value: string): Attribute => ({
    type: "graph",
    value: {
      name: `${op} branch`,
      nodes: [node(op, ["x", "w"], [value])],
      inputs: [],
      outputs: [{ name: value, dtype: "float32", shape: ["batch", 4] }],
      initializers: new Map(),
      // A subgraph has the opsets of the model around it.
      opsets: new Map([["", 17], ["com.microsoft", 1]]),
    },
  });
  return node("If", [condition], [output], {
    attributes: { then_branch: branch("Add", "sum"), else_branch: branch("Sub", "difference") },
  });
}

/** A graph with an attribute of every kind, a subgraph, two domains and an omitted input. */
export function variedGraph(): Graph {
  const builder = new GraphBuilder("varied");
  builder.input("x", "float32", ["batch", 4]);
  builder.initializer("w", tensor("float32", [4], [1, 2, 3, 4]));
  const yes = builder.initializer("yes", tensor("bool", [], [1]));
  const { attributes } = ifNode("", "");
  const chosen = builder.node("If", [yes], attributes, { outputs: ["chosen"] });
  const low = builder.constant(tensor("float32", [], [2]), "low");
  const clipped = builder.node("Clip", [chosen, "", low]);
  const weights = builder.constant(tensor("float32", [4, 4], new Float32Array(16).fill(0.5)));
  const product = builder.node("FusedMatMul", [clipped, weights], {
    alpha: { type: "float", value: 2 },
    transB: 1,
  }, { domain: "com.microsoft", name: "product" });
  const image = builder.node("Reshape", [
    product,
    builder.constant(int64s([-1, 1, 2, 2]), "shape"),
  ]);
  const sizes = builder.constant(tensor("float32", [4], [1, 1, 2, 2]), "scales");
  const large = builder.node("Resize", [image, "", sizes], {
    mode: "nearest",
    nearest_mode: "floor",
    cubic_coeff_a: -0.75,
  });
  builder.output(builder.node("Flatten", [large], {}, { outputs: ["y"] }), "float32", [
    "batch",
    16,
  ]);
  const filled = builder.node("ConstantOfShape", [builder.constant(int64s([2]), "two")], {
    value: tensor("int32", [1], [7]),
  }, { outputs: ["sevens"] });
  builder.output(filled, "int32", [2]);
  return builder.build();
}
