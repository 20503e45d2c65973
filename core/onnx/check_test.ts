import assert from "node:assert/strict";
import { RavnError } from "../error.ts";
import { checkGraph } from "./check.ts";
import type { Graph } from "./graph.ts";
import { graphOf, ifNode, node, variedGraph } from "./sample_graphs.ts";
import { scalar, tensor } from "./tensor.ts";

function refused(graph: Graph, pattern: RegExp): void {
  assert.throws(() => checkGraph(graph, { file: "m.onnx" }), (e) => {
    assert.ok(e instanceof RavnError, `${e}`);
    assert.match(e.message, pattern);
    return true;
  });
}

const relu = node("Relu", ["x"], ["y"], { name: "r" });

Deno.test("a sound graph passes", () => {
  checkGraph(graphOf([relu]), { file: "m.onnx" });
  checkGraph(variedGraph(), { file: "m.onnx" });
});

Deno.test("unknown operators and domains are named", () => {
  const withOp = (op: string, domain = "", opsets: [string, number][] = [["", 17]]) =>
    graphOf([node(op, ["x"], ["y"], { name: "n", domain })], { opsets: new Map(opsets) });
  refused(
    withOp("Relo"),
    /^m\.onnx: node 'n' \(Relo\): the domain ai\.onnx has no operator 'Relo'/,
  );
  refused(withOp("Gelu"), /exists since opset 20 of ai\.onnx, but the model imports opset 17/);
  refused(withOp("Scatter"), /exists no more in opset 17/);
  refused(withOp("Mine", "my.domain"), /domain 'my\.domain' are not supported; known are ai\.onnx/);
  refused(withOp("Gelu", "com.microsoft"), /imports no opset for 'com\.microsoft'/);
  refused(withOp("Relu", "", [["", 6]]), /uses opset 6; ravn reads opset 7 to \d+/);
  refused(withOp("Relu", "", [["", 99]]), /uses opset 99/);
  refused(withOp("Relu", "", []), /imports no opset for 'ai\.onnx'/);
});

Deno.test("arity and required attributes are held against the table", () => {
  const withNode = (op: string, inputs: string[], outputs: string[], domain = "") =>
    graphOf([node(op, inputs, outputs, { name: "n", domain })], {
      opsets: new Map([["", 17], ["com.microsoft", 1]]),
    });
  refused(withNode("Relu", [], ["y"]), /node 'n' \(Relu\): has 0 inputs, expected 1$/);
  refused(withNode("Add", ["x"], ["y"]), /has 1 inputs, expected 2$/);
  refused(withNode("Conv", ["x"], ["y"]), /has 1 inputs, expected 2–3$/);
  refused(withNode("Concat", [], ["y"]), /has 0 inputs, expected 1 or more$/);
  refused(withNode("Relu", ["x"], ["y", "z"]), /has 2 outputs, expected 1$/);
  refused(withNode("Add", ["", "x"], ["y"]), /input 0 is missing, but it is required/);
  refused(withNode("Sum", ["x", ""], ["y"]), /input 1 is missing, but it is required/);
  refused(withNode("Concat", ["x"], ["y"]), /lacks the attribute 'axis'/);
  refused(withNode("FusedMatMul", ["x"], ["y"], "com.microsoft"), /has 1 inputs, expected 2$/);
  refused(withNode("BiasGelu", ["x", ""], ["y"], "com.microsoft"), /input 1 is missing/);
});

Deno.test("names are defined once and before their use", () => {
  refused(graphOf([relu, relu]), /there are two nodes 'r'/);
  refused(
    graphOf([relu, node("Neg", ["x"], ["y"])]),
    /defines the value 'y', which exists already/,
  );
  refused(graphOf([node("Relu", ["x"], ["x"])]), /defines the value 'x'/);
  refused(graphOf([node("Relu", ["z"], ["y"])]), /reads 'z', which nothing computes/);
  refused(graphOf([]), /nothing computes the output 'y'/);
  refused(
    graphOf([node("Relu", ["a"], ["y"], { name: "late" }), node("Relu", ["x"], ["a"])]),
    /node 'late' \(Relu\) reads 'a' before node 'Relu of a' \(Relu\) computes it/,
  );
  refused(
    graphOf([node("Add", ["x", "b"], ["a"]), node("Neg", ["a"], ["b"]), node("Neg", ["b"], ["y"])]),
    /node 'Add of a' \(Add\) needs its own result: there is a cycle/,
  );
  const named = new Map([["", scalar("float32", 1)]]);
  refused(graphOf([relu], { initializers: named }), /initializer '' has an empty name/);
  refused(
    graphOf([relu], { initializers: new Map([["x", scalar("float32", 1)]]) }),
    /initializer 'x' defines the value 'x'/,
  );
});

Deno.test("subgraphs are checked too, with the values around them in sight", () => {
  const initializers = new Map([["yes", scalar("bool", 1)], ["w", tensor("float32", [1], [1])]]);
  checkGraph(graphOf([ifNode("yes", "y")], { initializers }), { file: "m.onnx" });
  initializers.delete("w");
  refused(graphOf([ifNode("yes", "y")], { initializers }), /\(If\) reads 'w'/);
  const broken = ifNode("yes", "y");
  const branch = broken.attributes["then_branch"];
  assert.ok(branch?.type === "graph");
  const value = { ...branch.value, nodes: [node("Add", ["x"], ["sum"])] };
  const attributes = { ...broken.attributes, then_branch: { type: "graph", value } as const };
  initializers.set("w", scalar("float32", 1));
  refused(
    graphOf([{ ...broken, attributes }], { initializers }),
    /'Add of sum' \(Add\): has 1 inp/,
  );
});
