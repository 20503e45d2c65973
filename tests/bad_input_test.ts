/** Wrong input: one line that says what, where and what to do; and no file made or changed. */
import assert from "node:assert/strict";
import { writeNpy } from "../core/data/mod.ts";
import { GraphBuilder, tensor, writeModel } from "../core/onnx/mod.ts";
import type { Tensor } from "../core/onnx/mod.ts";
import { answer, assertRefused } from "./command_line.ts";
import { Project } from "./project.ts";
import type { Configuration } from "./project.ts";

const CLUSTERIZE = ["clusterize", "model.onnx", "--split", "ravnest"];
/** One thread, for everything here runs in one process. */
const ONE: Configuration = { threads: 1 };

function project(): Promise<Project> {
  return Project.make({ configuration: ONE });
}

function nodesOf(ports: readonly number[]) {
  return Object.fromEntries(ports.map((port, node) => [
    String(node),
    { IP: `127.0.0.1:${port}`, benchmarks: { ram: 8, bandwidth: 10 } },
  ]));
}

/** A linear layer with one more operator after it, which gives as much or `grows` its shape. */
function modelWith(op: string, { grows = false } = {}): Uint8Array {
  const builder = new GraphBuilder("model");
  const input = builder.input("input", "float32", ["batch", 4]);
  const weight = builder.initializer("weight", tensor("float32", [4, 10], new Array(40).fill(0.1)));
  const linear = builder.node("MatMul", [input, weight], {}, { name: "linear" });
  const last = builder.initializer("last", tensor("int64", [1], [-1]));
  const hidden = grows ? builder.node("Unsqueeze", [linear, last]) : linear;
  const output = builder.node(op, [hidden], {}, { name: "strange", outputs: ["output"] });
  builder.output(output, "float32", grows ? ["batch", 10, 2] : ["batch", 10]);
  return writeModel(builder.build());
}

function bytesOf(value: Tensor): Promise<Uint8Array> {
  return new Blob(writeNpy(value)).bytes();
}

Deno.test("a model that is missing", async () => {
  await using it = await project();
  const missing = /missing\.onnx/;
  await assertRefused(it, ["clusterize", "missing.onnx"], missing);
  await assertRefused(it, ["inspect", "missing.onnx"], missing);
  await assertRefused(it, ["eval", "missing.onnx"], missing);
  await it.configure({ ...ONE, model: "missing.onnx" });
  await assertRefused(it, ["clusterize"], missing);
  await assertRefused(it, ["train", "--single"], missing);
});

Deno.test("a model that is not an ONNX file, or half of one", async () => {
  await using it = await project();
  await it.write("text.onnx", "this is no model\n");
  await it.write("empty.onnx", "");
  for (const file of ["text.onnx", "empty.onnx", "x_train.npy", "ravn.yaml"]) {
    const named = new RegExp(`${file.replace(".", "\\.")}.* ONNX`);
    await assertRefused(it, ["clusterize", file], named);
    await assertRefused(it, ["inspect", file], named);
  }
  const whole = await Deno.readFile(it.path("model.onnx"));
  for (const part of [0.01, 0.3, 0.5, 0.9, 0.999]) {
    await it.write("part.onnx", whole.subarray(0, Math.floor(whole.length * part)));
    await assertRefused(it, ["clusterize", "part.onnx"], /part\.onnx/);
  }
});

Deno.test("operators that are unknown or have no gradient are named with their node", async () => {
  await using it = await project();
  await it.write("dft.onnx", modelWith("DFT", { grows: true }));
  const noGradient = /dft\.onnx: no gradient for operator DFT .*at node "strange": a Fourier tran/;
  await assertRefused(it, ["clusterize", "dft.onnx"], noGradient);
  await assertRefused(it, ["clusterize", "dft.onnx", "--split", "params"], noGradient);
  const relu = new TextDecoder("latin1").decode(modelWith("Relu"));
  const unknown = Uint8Array.from(relu.replace("Relu", "Rely"), (c) => c.charCodeAt(0));
  await it.write("unknown.onnx", unknown);
  await assertRefused(it, ["clusterize", "unknown.onnx"], /unknown\.onnx.*strange.*Rely/);
  await assertRefused(it, ["inspect", "unknown.onnx"], /unknown\.onnx.*strange.*Rely/);
});

Deno.test("node_configs.json: syntax, keys, types, addresses", async () => {
  await using it = await project();
  const nodes = nodesOf(it.ports);
  const whole = JSON.stringify(nodes, undefined, 2);
  const cases: [text: string, expected: RegExp][] = [
    [whole.replace("{", "{,"), /node_configs\.json: line 1, column 2: not valid JSON/],
    [whole.slice(0, -3), /node_configs\.json: line \d+, column \d+/],
    ["", /node_configs\.json/],
    ["[]", /node_configs\.json: expected an object of nodes/],
    ["{}", /node_configs\.json: no nodes/],
    [JSON.stringify({ ...nodes, 1: { IP: "h:1" } }), /node 1: benchmarks must be an object/],
    [JSON.stringify({ ...nodes, 1: { benchmarks: nodes["0"]!.benchmarks } }), /node 1: IP must be/],
    [whole.replace('"ram"', '"rams"'), /node 0: benchmarks: unknown key "rams".*"ram"/],
    [whole.replace('"ram": 8', '"ram": "8"'), /node 0: benchmarks\.ram must be a positive number/],
    [whole.replace('"ram": 8', '"ram": -8'), /node 0: benchmarks\.ram must be a positive number/],
    [whole.replace(/"bandwidth": 10/, '"bandwidth": null'), /node 0: benchmarks\.bandwidth/],
    [JSON.stringify({ ...nodes, 2: nodes["0"] }), /node 2: IP ".*" is already that of node 0/],
    [JSON.stringify({ 0: nodes["0"], 2: nodes["2"] }), /node 1 is missing/],
    [whole.replace(/127\.0\.0\.1:\d+/, "127.0.0.1"), /node 0: IP must be/],
    [whole.replace(/127\.0\.0\.1:\d+/, "127.0.0.1:99999"), /node 0: IP must be/],
  ];
  for (const [text, expected] of cases) {
    await it.write("node_data/node_configs.json", text);
    await assertRefused(it, CLUSTERIZE, expected);
  }
  await Deno.remove(it.path("node_data/node_configs.json"));
  await assertRefused(it, CLUSTERIZE, /node_configs\.json/);
});

Deno.test("nodes that have too little memory together", async () => {
  await using it = await project();
  for (const split of ["ravnest", "params", "time"]) {
    await it.writeNodes({ ram: 1e-5, bandwidth: 10 });
    await assertRefused(it, ["clusterize", "--split", split], /memory/i);
  }
});

Deno.test("ravn.yaml: unknown keys, wrong values, no YAML", async () => {
  await using it = await project();
  const text = await it.read("ravn.yaml");
  const cases: [text: string, expected: RegExp][] = [
    [`${text}epoch: 3\n`, /ravn\.yaml:9: unknown key "epoch"; did you mean "epochs"\?/],
    [text.replace('"lr"', '"rate"'), /ravn\.yaml:3: unknown key "optimizer\.rate".*optimizer\.\w+/],
    [text.replace("epochs: 100", "epochs: many"), /ravn\.yaml:5: epochs: expected .*got "many"/],
    [text.replace("epochs: 100", "epochs: 0"), /ravn\.yaml:5: epochs: expected at least 1, got 0/],
    [text.replace('"mse"', "mean"), /ravn\.yaml:2: loss: expected .*got "mean"/],
    [text.replace(/data: .*\n/, ""), /ravn\.yaml:\d+: missing key "data"/],
    [`${text}a: [`, /ravn\.yaml:\d+: is no valid YAML/],
    ["", /ravn\.yaml:1: expected keys/],
  ];
  for (const [changed, expected] of cases) {
    await it.write("ravn.yaml", changed);
    await assertRefused(it, CLUSTERIZE, expected);
    await assertRefused(it, ["train", "--single"], expected);
  }
  await it.write("ravn.yaml", text);
  const set = ["train", "--single", "--set"];
  await assertRefused(
    it,
    [...set, "optimizer.l=1"],
    /--set optimizer\.l=1: unknown key.*optimizer\.lr/,
  );
  await Deno.remove(it.path("ravn.yaml"));
  await assertRefused(it, CLUSTERIZE, /ravn\.yaml/);
});

Deno.test("data files that are missing, damaged, or of the wrong shape", async () => {
  await using it = await project();
  const read = (name: string) => Deno.readFile(it.path(name));
  const [x, y] = [await read("x_train.npy"), await read("y_train.npy")];
  assert.equal((await answer(it, CLUSTERIZE)).code, 0);
  const root = ["provide", "--name", "node_0"];
  const refused = async (file: string, bytes: Uint8Array | undefined, expected: RegExp) => {
    const good = await read(file);
    if (bytes === undefined) await Deno.remove(it.path(file));
    else await it.write(file, bytes);
    await assertRefused(it, root, expected);
    await assertRefused(it, ["train", "--single"], expected);
    await it.write(file, good);
  };
  const zeros = (...dims: number[]) =>
    bytesOf(tensor("float32", dims, new Array(dims.reduce((a, b) => a * b)).fill(0)));
  await refused("x_train.npy", undefined, /x_train\.npy/);
  await refused("y_train.npy", undefined, /y_train\.npy/);
  await refused("x_val.npy", undefined, /x_val\.npy/);
  await refused("x_train.npy", x.subarray(0, 1000), /x_train\.npy/);
  await refused("x_train.npy", y.subarray(0, 100), /x_train\.npy/);
  await refused("x_train.npy", new TextEncoder().encode("no numbers"), /x_train\.npy/);
  await refused("x_train.npy", await zeros(1078, 1, 8, 7), /x_train\.npy.*\[.*8.*7\].*\[.*8.*8\]/);
  await refused("x_train.npy", await zeros(1078, 63), /x_train\.npy.*63.*8.*8/);
  await refused(
    "x_train.npy",
    await zeros(1077, 1, 8, 8),
    /x_train\.npy.*1077.*y_train\.npy.*1078/,
  );
  await refused("y_train.npy", await zeros(1078, 9), /y_train\.npy.*9.*10/);
  await refused("x_val.npy", await zeros(719, 1, 8, 9), /x_val\.npy/);
  await refused("y_val.npy", await zeros(719, 11), /y_val\.npy/);
});

Deno.test("labels that are no class", async () => {
  await using it = await project();
  const labels = (value: number) => {
    const values = new Array<number>(1078).fill(3);
    values[500] = value;
    return bytesOf(tensor("int64", [1078], values));
  };
  const data = {
    train: { inputs: "x_train.npy", labels: "labels.npy" },
    validation: { inputs: "x_val.npy", labels: "y_val_index.npy" },
  };
  await it.configure({ ...ONE, loss: "cross_entropy", data });
  await it.write("labels.npy", await labels(3));
  assert.equal((await answer(it, CLUSTERIZE)).code, 0);
  for (const label of [10, -1, 2 ** 40]) {
    await it.write("labels.npy", await labels(label));
    const expected = new RegExp(`labels\\.npy.*${label}.*500|labels\\.npy.*500.*${label}`);
    await assertRefused(it, ["provide", "--name", "node_0"], expected);
    await assertRefused(it, ["train", "--single"], expected);
  }
});
