import assert from "node:assert/strict";
import { GraphBuilder, numbers, tensor, writeModel } from "../onnx/mod.ts";
import type { Graph, Tensor } from "../onnx/mod.ts";
import { Runtime } from "../runtime/mod.ts";
import { deviceForm, deviceModel } from "./device_form.ts";

const runtime = Runtime.open();
const OPSETS = [17, 18];

const operators = ({ nodes }: Graph): string[] => nodes.map(({ op }) => op);

/** Values that are nothing like each other. */
function varied(dims: readonly number[]): Tensor {
  const count = dims.reduce((product, dim) => product * dim, 1);
  return tensor("float32", dims, Array.from({ length: count }, (_, i) => Math.sin(i * i) + i % 3));
}

/** Runs a graph as it is and in the form for devices. */
async function both(
  graph: Graph,
  feeds: ReadonlyMap<string, Tensor>,
): Promise<Map<string, readonly [plain: Tensor, device: Tensor]>> {
  const plain = await runtime.evaluate(writeModel(graph), feeds);
  const device = await runtime.evaluate(writeModel(deviceForm(graph)), feeds);
  return new Map([...plain].map(([name, value]) => [name, [value, device.get(name)!]]));
}

function normalization(opset: number, rank: number): Graph {
  const builder = new GraphBuilder("normalization", opset);
  const rest = ["h", "w"].slice(0, rank - 2);
  const x = builder.input("x", "float32", ["batch", 3, ...rest]);
  const vector = (values: number[]) => builder.constant(tensor("float32", [3], values));
  const inputs = [x, vector([1, 2, 3]), vector([0, 1, -1]), vector([7, 7, 7]), vector([8, 8, 8])];
  const attributes = {
    training_mode: 1,
    momentum: { type: "float", value: 0 },
    epsilon: 1e-3,
  } as const;
  const outputs = ["y", "mean", "variance"];
  builder.nodes("BatchNormalization", inputs, attributes, { outputs });
  builder.output("y", "float32", ["batch", 3, ...rest]);
  builder.output("mean", "float32", [3]);
  builder.output("variance", "float32", [3]);
  return builder.build();
}

Deno.test("batch normalization in training becomes reductions and the inference form", async () => {
  for (const opset of OPSETS) {
    for (const [rank, dims] of [[4, [5, 3, 2, 4]], [3, [5, 3, 4]], [2, [6, 3]]] as const) {
      const graph = normalization(opset, rank);
      const rewritten = deviceForm(graph);
      assert.ok(!rewritten.nodes.some(({ attributes }) => "training_mode" in attributes));
      assert.equal(rewritten.nodes.at(-1)!.op, "BatchNormalization");
      for (const [name, [plain, device]] of await both(graph, new Map([["x", varied(dims)]]))) {
        assert.deepEqual(device.dims, plain.dims);
        const [expected, given] = [numbers(plain), numbers(device)];
        expected.forEach((value, i) => {
          const off = Math.abs(value - given[i]!);
          assert.ok(off < 1e-5, `rank ${rank}, ${name}[${i}]: ${given[i]}, expected ${value}`);
        });
      }
    }
  }
});

Deno.test("normalization that mixes in old statistics stays", () => {
  const graph = normalization(17, 4);
  const mixing = graph.nodes.map((node) => ({
    ...node,
    attributes: { ...node.attributes, momentum: { type: "float", value: 0.5 } as const },
  }));
  assert.deepEqual(deviceForm({ ...graph, nodes: mixing }).nodes, mixing);
});

Deno.test("a shift to the right becomes a division, bit for bit", async () => {
  const builder = new GraphBuilder("shift");
  const x = builder.input("x", "uint32", ["n"]);
  const bits = builder.constant(tensor("uint32", [], [15]));
  builder.node("BitShift", [x, bits], { direction: "RIGHT" }, { outputs: ["y"] });
  builder.output("y", "uint32", ["n"]);
  const graph = builder.build();
  assert.deepEqual(operators(deviceForm(graph)), ["Div"]);
  const values = [0, 1, 32767, 32768, 2 ** 31, 2 ** 32 - 1, 123456789];
  const results = await both(graph, new Map([["x", tensor("uint32", [values.length], values)]]));
  const [plain, device] = results.get("y")!;
  assert.deepEqual([...numbers(device)], [...numbers(plain)]);
  assert.equal(numbers(plain)[5], 131071);
});

Deno.test("MaxUnpool becomes a scatter into zeros", async () => {
  for (const opset of OPSETS) {
    const builder = new GraphBuilder("unpool", opset);
    const x = builder.input("x", "float32", ["batch", 2, 5, 4]);
    const window = { kernel_shape: [2, 2], strides: [2, 2] };
    const [maxima, indices] = builder.nodes("MaxPool", [x], window, { outputs: 2 });
    const inputs = [maxima!, indices!, builder.node("Shape", [x])];
    const ones = { kernel_shape: [1, 1], strides: [1, 1] };
    builder.node("MaxUnpool", inputs, ones, { outputs: ["y"] });
    builder.output("y", "float32", ["batch", 2, 5, 4]);
    const graph = builder.build();
    assert.ok(!operators(deviceForm(graph)).includes("MaxUnpool"));
    const results = await both(graph, new Map([["x", varied([3, 2, 5, 4])]]));
    const [plain, device] = results.get("y")!;
    assert.deepEqual(device, plain);
  }
});

Deno.test("a file is rewritten; WebGPU leaves to the CPU what its kernels fail at", () => {
  const builder = new GraphBuilder("host");
  const x = builder.input("x", "float32", ["batch", 4, 8, 8]);
  const pooled = builder.nodes(
    "MaxPool",
    [x],
    { kernel_shape: [2, 2] },
    { name: "indices", outputs: 2 },
  );
  const conv = (name: string, filters: number, group: number) => {
    const weight = builder.constant(varied([filters, 4 / group, 3, 3]));
    return builder.node("Conv", [x, weight], { group, kernel_shape: [3, 3] }, { name });
  };
  const outputs = [...pooled, conv("plain", 9, 1), conv("four", 16, 4), conv("nine", 36, 4)];
  outputs.forEach((name, i) => builder.output(name, i === 1 ? "int64" : "float32"));
  const model = writeModel(builder.build());
  assert.deepEqual(deviceModel(model, "host.onnx", "webgpu").hostNodes, ["indices", "nine"]);
  assert.deepEqual(deviceModel(model, "host.onnx", "cuda").hostNodes, []);
});

Deno.test("initializers that only a branch reads stay", () => {
  const branch: Graph = {
    ...normalization(17, 4),
    inputs: [],
    nodes: [{
      name: "add",
      op: "Add",
      domain: "",
      inputs: ["x", "shift"],
      outputs: ["sum"],
      attributes: {},
    }],
    outputs: [{ name: "sum", dtype: "float32" }],
    initializers: new Map(),
  };
  const graph = {
    ...normalization(17, 4),
    nodes: [{
      name: "if",
      op: "If",
      domain: "",
      inputs: ["condition"],
      outputs: ["result"],
      attributes: {
        then_branch: { type: "graph", value: branch },
        else_branch: { type: "graph", value: branch },
      },
    }],
    initializers: new Map([["shift", varied([3])], ["unread", varied([1])]]),
  } as const;
  assert.deepEqual([...deviceForm(graph).initializers.keys()], ["shift"]);
});
