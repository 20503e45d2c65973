/**
 * The job of the README with the one file that is shipped, on a machine without deno and node:
 * clusterize, three providers, fuse. `RAVN_SHIPPED` names the file; `.ci/run` builds and names it.
 */
import assert from "node:assert/strict";
import { Machine } from "./machine.ts";

const SHIPPED = Deno.env.get("RAVN_SHIPPED");
const NODES = 3;
const EPOCHS = 8;

const CONFIGURATION = `model: model.onnx
loss: mse
optimizer: {type: adam, lr: 0.001}
batch_size: 64
epochs: ${EPOCHS}
data:
  train:      {inputs: x_train.npy, labels: y_train.npy}
  validation: {inputs: x_val.npy, labels: y_val.npy}
`;

Deno.test({
  name: "the shipped file trains the digits in three processes, on a machine without deno and node",
  ignore: SHIPPED === undefined,
  async fn() {
    await using machine = await Machine.make(SHIPPED!);
    const ravn = async (...words: string[]) => {
      const { code, out, err } = await machine.run(words);
      assert.equal(code, 0, `ravn ${words.join(" ")}\n${out}${err}`);
      return out;
    };
    assert.deepEqual(await machine.missing(["deno", "node", "npm", "npx"]), 4);
    await ravn("doctor");

    await ravn("init", ".");
    await machine.bring("../fixtures/digits", /^[xy]_(train|val)\.npy$/);
    await machine.write("ravn.yaml", CONFIGURATION);
    await machine.write("node_data/node_configs.json", nodeConfigs(machine.freePorts(NODES)));
    const planned = await ravn("clusterize", "model.onnx");
    for (let node = 0; node < NODES; node++) assert.match(planned, new RegExp(`Node\\(${node}, `));

    const names = Array.from({ length: NODES }, (_, node) => `node_${NODES - 1 - node}`);
    await Promise.all(names.map((name) => ravn("provide", "--name", name)));

    await ravn("fuse", "0");
    const lines = (await ravn("eval", "trained/trained.onnx", "--json")).split("\n");
    const report = JSON.parse(lines.find((line) => line.startsWith('{"event":"eval"'))!);
    assert.equal(report.samples, 719);
    assert.ok(report.accuracy > 60, `accuracy ${report.accuracy} % after ${EPOCHS} epochs`);
  },
});

function nodeConfigs(ports: readonly number[]): string {
  const nodes = ports.map((port, node) => [
    String(node),
    { IP: `127.0.0.1:${port}`, benchmarks: { ram: 8, bandwidth: 10 } },
  ]);
  return JSON.stringify(Object.fromEntries(nodes), undefined, 2);
}
