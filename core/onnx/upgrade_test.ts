import assert from "node:assert/strict";
import { Random } from "../random.ts";
import { Runtime } from "../runtime/mod.ts";
import { checkGraph } from "./check.ts";
import type { Attribute, Graph, Node } from "./graph.ts";
import { graphOf, ifNode, node } from "./sample_graphs.ts";
import { numbers, type Tensor, tensor } from "./tensor.ts";
import { upgraded } from "./upgrade.ts";
import { writeModel } from "./write.ts";

const ints = (...value: number[]): Attribute => ({ type: "ints", value });
const int = (value: number): Attribute => ({ type: "int", value });
const float = (value: number): Attribute => ({ type: "float", value });

/** A node over `x` [2, 3, 4] with the output `y`, at an opset. */
function alone(
  opset: number,
  op: string,
  attributes: Record<string, Attribute>,
  more: { inputs?: string[]; outputs?: string[]; initializers?: Map<string, Tensor> } = {},
): Graph {
  const made = node(op, ["x", ...more.inputs ?? []], more.outputs ?? ["y"], { attributes });
  return graphOf([made], {
    inputs: [{ name: "x", dtype: "float32", shape: [2, 3, 4] }],
    initializers: more.initializers ?? new Map(),
    opsets: new Map([["", opset]]),
  });
}

const scales = new Map([["scales", tensor("float32", [3], [1, 2, 3])]]);

const GRAPHS: readonly Graph[] = [
  alone(11, "Squeeze", { axes: ints(0) }, { inputs: [] }),
  alone(11, "Unsqueeze", { axes: ints(0, 3) }),
  alone(11, "ReduceSum", { axes: ints(1), keepdims: int(0) }),
  alone(11, "ReduceSum", { keepdims: int(1) }),
  alone(11, "Split", { axis: int(2), split: ints(1, 3) }, { outputs: ["y", "z"] }),
  alone(11, "Softmax", {}),
  alone(11, "Softmax", { axis: int(2) }),
  alone(11, "LogSoftmax", { axis: int(-1) }),
  alone(9, "LogSoftmax", { axis: int(0) }),
  alone(10, "Clip", { min: float(-0.5) }),
  alone(10, "Clip", { min: float(-0.5), max: float(0.25) }),
  alone(10, "Pad", { pads: ints(0, 1, 0, 0, 2, 1), value: float(3) }),
  alone(9, "Slice", { starts: ints(1, -2), ends: ints(2 ** 53, 2 ** 31), axes: ints(1, 2) }),
  alone(9, "TopK", { k: int(2), axis: int(2) }, { outputs: ["y", "indices"] }),
  alone(9, "Upsample", {}, { inputs: ["scales"], initializers: scales }),
  alone(10, "Resize", {}, { inputs: ["scales"], initializers: scales }),
  alone(11, "Dropout", { ratio: float(0.3) }),
];

Deno.test("a lifted graph gives what the old one gives in ONNX Runtime", async () => {
  const { evaluate } = Runtime.open();
  const random = new Random(1);
  for (const old of GRAPHS) {
    const squeezes = old.nodes[0]!.op === "Squeeze";
    const dims = squeezes ? [1, 3, 4] : [2, 3, 4];
    const before = { ...old, inputs: [{ name: "x", dtype: "float32" as const, shape: dims }] };
    const after = upgraded(before, "model.onnx");
    const what = `${old.nodes[0]!.op} of opset ${old.opsets.get("")}`;
    assert.equal(after.opsets.get(""), 13, what);
    checkGraph(after, { file: what });
    const count = dims.reduce((a, b) => a * b);
    const x = tensor("float32", dims, Array.from({ length: count }, () => random.normal()));
    const [a, b] = [
      await evaluate(writeModel(before), new Map([["x", x]])),
      await evaluate(writeModel(after), new Map([["x", x]])),
    ];
    const [y, z] = [a.get("y")!, b.get("y")!];
    assert.deepEqual(z.dims, y.dims, what);
    numbers(y).forEach((value, i) => assert.ok(Math.abs(value - numbers(z)[i]!) < 1e-6, what));
  }
});

Deno.test("subgraphs are lifted with the model around them", () => {
  const branch = (op: string): Attribute => ({
    type: "graph",
    value: { ...graphOf([node(op, ["x"], ["y"], { attributes: { axes: ints(0) } })]), inputs: [] },
  });
  const chosen: Node = {
    ...ifNode("yes", "y"),
    attributes: { then_branch: branch("Unsqueeze"), else_branch: branch("Squeeze") },
  };
  const graph = graphOf([chosen], {
    opsets: new Map([["", 11]]),
    initializers: new Map([["yes", tensor("bool", [], [1])]]),
  });
  const lifted = upgraded(graph, "model.onnx").nodes[0]!.attributes["then_branch"]!;
  assert.equal(lifted.type === "graph" && lifted.value.nodes[0]!.inputs.length, 2);
});

Deno.test("a newer graph stays as it is", () => {
  const graph = alone(17, "Relu", {});
  assert.equal(upgraded(graph, "model.onnx"), graph);
});
