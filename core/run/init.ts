import { join } from "node:path";
import { writeWhole } from "../data/mod.ts";
import { RavnError } from "../error.ts";
import { writeModel } from "../onnx/mod.ts";
import { EXAMPLES } from "../../models/mod.ts";
import type { Example } from "../../models/mod.ts";
import { nearest } from "../planning/mod.ts";
import { exists } from "./node_data.ts";
import type { InitReport, InitRequest } from "./requests.ts";

/** First port of the three local nodes, as in Ravnest's walkthrough. */
const FIRST_PORT = 8080;
const NODES = 3;

/**
 * Writes a folder that can be trained: `ravn.yaml`, a file of three local nodes, the example model.
 *
 * @throws {RavnError} where one of the files is there already, unless `force`
 */
export async function init({ folder, model, force }: InitRequest): Promise<InitReport> {
  const example = EXAMPLES.find(({ name }) => name === model);
  if (example === undefined) {
    const names = EXAMPLES.map(({ name }) => name);
    const near = nearest(model, names);
    const hint = near === undefined ? "" : `did you mean "${near}"? `;
    throw new RavnError(`there is no example model "${model}"; ${hint}known: ${names.join(", ")}`);
  }
  const files: [string, string | Uint8Array][] = [
    ["model.onnx", writeModel(example.build({ seed: 42 }))],
    ["ravn.yaml", configText(example)],
    [join("node_data", "node_configs.json"), nodesText()],
  ];
  const paths = files.map(([name]) => join(folder, name));
  for (const path of paths) {
    if (!force && await exists(path)) {
      throw new RavnError(`${path} is there already; give --force to replace it`);
    }
  }
  await Deno.mkdir(join(folder, "node_data"), { recursive: true });
  for (const [name, content] of files) await writeWhole(join(folder, name), content);
  return { files: paths };
}

function configText({ name, loss, input, classes }: Example): string {
  return `# How to train ${name}. Every other key has a default: see "ravn train --help".
model: model.onnx
loss: ${loss}
optimizer: {type: adam, lr: 0.001}
batch_size: 64
epochs: 100
seed: 42
data:
  # Inputs [n, ${input.join(", ")}], labels [n] (class 0 to ${
    classes - 1
  }) or one-hot [n, ${classes}].
  train:      {inputs: x_train.npy, labels: y_train.npy}
  validation: {inputs: x_val.npy, labels: y_val.npy}
  shuffle: true
val_freq: epoch
schedule: async
save: true
`;
}

/** The nodes of the walkthrough: 8 GB and 10 Mbps each, on this machine. */
function nodesText(): string {
  const nodes = Array.from({ length: NODES }, (_, i) => [
    String(i),
    { IP: `0.0.0.0:${FIRST_PORT + i}`, benchmarks: { ram: 8, bandwidth: 10 } },
  ]);
  return `${JSON.stringify(Object.fromEntries(nodes), null, 2)}\n`;
}
