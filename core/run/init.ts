import { join } from "node:path";
import { writeWhole } from "../data/mod.ts";
import { RavnError } from "../error.ts";
import { writeModel } from "../onnx/mod.ts";
import { EXAMPLES } from "../../models/mod.ts";
import type { Example, ExampleOutput } from "../../models/mod.ts";
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
    ["ravn.yaml", exampleConfig(example)],
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

/** The `ravn.yaml` that trains an example network. */
export function exampleConfig(example: Example): string {
  return `# How to train ${example.name}. Every other key has a default: see "ravn help config".
model: model.onnx
loss: ${lossText(example)}
optimizer: {type: adam, lr: 0.001}
batch_size: ${example.batch ?? 64}
epochs: 100
seed: 42
data:
${dataText(example)}  train:      {inputs: ${filesText(example, "train")}}
  validation: {inputs: ${filesText(example, "val")}}
  shuffle: true
val_freq: epoch
schedule: async
save: true
`;
}

/** One loss by its name or with its keys, or a list of one for each output. */
function lossText({ outputs }: Example): string {
  if (outputs.length > 1) {
    return outputs.map((output) => `\n  - ${lossTerm(output, `output: ${output.name}, `)}`).join(
      "",
    );
  }
  const [output] = outputs;
  return output!.ignored === undefined ? output!.loss : lossTerm(output!, "");
}

function lossTerm({ loss, labels, weight, ignored }: ExampleOutput, output: string): string {
  const parts = [
    `type: ${loss}`,
    ...(labels === undefined ? [] : [`labels: ${labels}`]),
    ...(weight === undefined ? [] : [`weight: ${weight}`]),
    ...(ignored === undefined ? [] : [`ignore_index: ${ignored}`]),
  ];
  return `{${output}${parts.join(", ")}}`;
}

/** Comments on what the data files hold. */
function dataText({ inputs, outputs }: Example): string {
  const several = inputs.length > 1;
  const lines = inputs.map(({ name, shape, below }) => {
    const values = below === undefined ? "" : ` (integers 0 to ${below - 1})`;
    return `${several ? name : "Inputs"} [${["n", ...shape].join(", ")}]${values}`;
  });
  const known = new Set<string | undefined>();
  for (const output of outputs) {
    if (known.has(output.labels)) continue;
    known.add(output.labels);
    lines.push(labelsText(output));
  }
  return lines.map((line) => `  # ${line}\n`).join("");
}

function labelsText({ loss, labels = "Labels", shape, ignored }: ExampleOutput): string {
  const rows = ["n", ...shape].join(", ");
  if (loss === "bce") return `${labels} [${rows}]`;
  const indices = ["n", ...shape.slice(0, -1)].join(", ");
  const none = ignored === undefined ? "" : `, ${ignored} where none counts`;
  const classes = `class 0 to ${shape.at(-1)! - 1}${none}`;
  return `${labels} [${indices}] (${classes}) or one-hot [${rows}]`;
}

/** The input and label files of one part of the data, by name where there are several. */
function filesText({ inputs, outputs }: Example, part: string): string {
  const names = outputs.flatMap(({ labels }) => labels ?? []);
  const files = (of: readonly string[]) =>
    `{${of.map((name) => `${name}: ${name}_${part}.npy`).join(", ")}}`;
  const x = inputs.length === 1 ? `x_${part}.npy` : files(inputs.map(({ name }) => name));
  const y = names.length === 0 ? `y_${part}.npy` : files(names);
  return `${x}, labels: ${y}`;
}

/** The nodes of the walkthrough: 8 GB and 10 Mbps each, on this machine. */
function nodesText(): string {
  const nodes = Array.from({ length: NODES }, (_, i) => [
    String(i),
    { IP: `0.0.0.0:${FIRST_PORT + i}`, benchmarks: { ram: 8, bandwidth: 10 } },
  ]);
  return `${JSON.stringify(Object.fromEntries(nodes), null, 2)}\n`;
}
