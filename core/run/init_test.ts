import assert from "node:assert/strict";
import { join } from "node:path";
import { exampleNamed, EXAMPLES } from "../../models/mod.ts";
import { RavnError } from "../error.ts";
import { readModel } from "../onnx/mod.ts";
import { lossTerms } from "../training/loss.ts";
import { parseConfig } from "./config.ts";
import { exampleConfig, init } from "./init.ts";

async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "ravn-init-" });
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("the configuration of every example is valid and names its inputs and losses", () => {
  for (const example of EXAMPLES) {
    const { data, loss } = parseConfig(exampleConfig(example), example.name);
    const terms = lossTerms(loss);
    assert.equal(terms.length, example.outputs.length, example.name);
    for (const [i, { name, loss, weight = 1, ignored }] of example.outputs.entries()) {
      const term = terms[i]!;
      assert.equal(term.loss.type, loss, example.name);
      assert.equal(term.weight, weight, example.name);
      if (terms.length > 1) assert.equal(term.output, name);
      if ("ignore_index" in term.loss) assert.equal(term.loss.ignore_index, ignored);
    }
    const { inputs } = data.train;
    if (example.inputs.length === 1) assert.equal(inputs, "x_train.npy");
    else assert.deepEqual(Object.keys(inputs ?? {}), example.inputs.map(({ name }) => name));
  }
});

Deno.test("several heads have a loss each, with labels of their own", () => {
  const text = exampleConfig(exampleNamed("bert_tiny")!);
  const { data, loss } = parseConfig(text, "ravn.yaml");
  assert.deepEqual(data.validation?.labels, {
    labels: "labels_val.npy",
    next_sentence_label: "next_sentence_label_val.npy",
  });
  assert.deepEqual(lossTerms(loss).map(({ output, labels }) => [output, labels]), [
    ["prediction_logits", "labels"],
    ["seq_relationship_logits", "next_sentence_label"],
  ]);
  assert.match(text, /# labels \[n, 128\] \(class 0 to 30521, -100 where none counts\)/);
});

Deno.test("init writes a model, and will not write over it", async () => {
  await inFolder(async (folder) => {
    const request = { folder, model: "gpt_nano", force: false };
    const { files } = await init(request);
    assert.deepEqual(files, [
      join(folder, "model.onnx"),
      join(folder, "ravn.yaml"),
      join(folder, "node_data", "node_configs.json"),
    ]);
    const model = await Deno.readFile(files[0]!);
    assert.deepEqual(
      readModel(model, { file: "model.onnx" }),
      exampleNamed("gpt_nano")!.build({ seed: 42 }),
    );
    await assert.rejects(() => init(request), /model\.onnx is there already; give --force/);
    await init({ ...request, force: true });
  });
});

Deno.test("init says which examples there are", async () => {
  await inFolder(async (folder) => {
    await assert.rejects(() => init({ folder, model: "resnet19", force: false }), (thrown) => {
      assert.ok(thrown instanceof RavnError);
      assert.match(
        thrown.message,
        /no example model "resnet19"; did you mean "resnet18"\? known: /,
      );
      return true;
    });
  });
});

Deno.test("the docs list the examples", async () => {
  const text = await Deno.readTextFile(new URL("../../docs/cli.md", import.meta.url));
  for (const { name, describe } of EXAMPLES) {
    assert.ok(text.includes(`| \`${name}\``), name);
    assert.ok(text.includes(describe), describe);
  }
});
