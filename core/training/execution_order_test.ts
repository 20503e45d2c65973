import assert from "node:assert/strict";
import type { Node } from "../onnx/mod.ts";
import { inReleaseOrder } from "./execution_order.ts";

function node(name: string, ...inputs: string[]): Node {
  return { name, op: "Sum", domain: "", inputs, outputs: [name], attributes: {} };
}

/** The order in which ONNX Runtime computes the nodes of a file. */
function executed(nodes: readonly Node[]): string[] {
  const made = new Map(nodes.map((node, index) => [node.outputs[0]!, index]));
  const read = new Set(nodes.flatMap(({ inputs }) => inputs));
  const order: string[] = [];
  const done = new Set<number>();
  const visit = (index: number) => {
    if (done.has(index)) return;
    done.add(index);
    const needed = nodes[index]!.inputs.map((input) => made.get(input))
      .filter((maker) => maker !== undefined);
    for (const maker of needed.toSorted((a, b) => b - a)) visit(maker);
    order.push(nodes[index]!.name);
  };
  const ends = nodes.flatMap(({ name }, index) => read.has(name) ? [] : [index]);
  for (const end of ends.toReversed()) visit(end);
  return order;
}

Deno.test("each layer's weight gradient is computed before the layer below is reached", () => {
  const nodes = [
    node("h1", "x"),
    node("h2", "h1"),
    node("loss", "h2"),
    node("d2", "h2"),
    node("dw2", "d2", "h1"),
    node("db2", "d2"),
    node("d1", "d2", "h1"),
    node("dw1", "d1", "x"),
    node("db1", "d1"),
  ];
  const written = ["h1", "h2", "loss", "d2", "d1", "dw1", "db1", "dw2", "db2"];
  assert.deepEqual(executed(nodes).toSorted(), written.toSorted());
  assert.ok(
    executed(nodes).indexOf("dw2") > executed(nodes).indexOf("db1"),
    "the order of the file keeps d2 and h1 to the end",
  );
  const ordered = inReleaseOrder(nodes);
  assert.deepEqual(
    executed(ordered),
    ["h1", "h2", "loss", "d2", "dw2", "db2", "d1", "dw1", "db1"],
  );
});

Deno.test("nodes stay in topological order, and a graph without branches as it is", () => {
  const chain = [node("a", "x"), node("b", "a"), node("c", "b")];
  assert.deepEqual(inReleaseOrder(chain), chain);
  const nodes = [node("a", "x"), node("end", "a"), node("b", "a"), node("c", "b")];
  assert.deepEqual(inReleaseOrder(nodes).map(({ name }) => name), ["a", "b", "c", "end"]);
});
