import assert from "node:assert/strict";
import { parse } from "yaml";
import type { DataFiles } from "../data/mod.ts";
import { RavnError } from "../error.ts";
import type { RateSchedule } from "../training/learning_rate.ts";
import type { LossConfig } from "../training/loss.ts";
import type { OptimizerConfig } from "../training/optimizer.ts";
import { configJsonSchema, describeDefaults, microBatchesOf, parseConfig } from "./config.ts";
import type { Override } from "./config.ts";

const MINIMAL = `model: model.onnx
data:
  train: {inputs: x.npy, labels: y.npy}
`;

function refused(text: string, message: RegExp | string, overrides: Override[] = []): void {
  assert.throws(() => parseConfig(text, "ravn.yaml", overrides), (thrown) => {
    assert.ok(thrown instanceof RavnError, String(thrown));
    if (typeof message === "string") assert.equal(thrown.message, message);
    else assert.match(thrown.message, message);
    assert.ok(!thrown.message.includes("\n"));
    return true;
  });
}

Deno.test("the walkthrough's configuration is read", () => {
  const config = parseConfig(
    `model: model.onnx
loss: mse
optimizer: {type: adam, lr: 0.001}
lr_schedule: {type: constant}
batch_size: 64
epochs: 100
seed: 42
data:
  train:      {inputs: x_train.npy, labels: y_train.npy}
  validation: {inputs: {x: v.npz#x}, labels: v.npz#y}
  shuffle: true
val_freq: epoch
schedule: async
in_flight: auto
recompute: auto
update_frequency: 1
save: true
`,
    "ravn.yaml",
  );
  assert.equal(config.model, "model.onnx");
  assert.deepEqual(config.data.train, { inputs: "x_train.npy", labels: "y_train.npy" });
  assert.deepEqual(config.data.validation, { inputs: { x: "v.npz#x" }, labels: "v.npz#y" });
  assert.deepEqual(config, {
    ...parseConfig(MINIMAL, "ravn.yaml"),
    data: config.data,
  });
});

Deno.test("every default that the help shows is the one in force", () => {
  const config: Record<string, unknown> = parseConfig(MINIMAL, "ravn.yaml");
  for (const { key, default: standard } of describeDefaults()) {
    if (standard === undefined || key.startsWith("data.train.")) continue;
    let value: unknown = config;
    for (const name of key.split(".")) value = (value as Record<string, unknown>)[name];
    const expected = key === "loss" ? { type: parse(standard) } : parse(standard);
    assert.deepEqual(value ?? null, expected, key);
  }
});

Deno.test("the help lists every key of the schema", () => {
  const { properties } = configJsonSchema() as { properties: Record<string, unknown> };
  const listed = new Set(describeDefaults().map(({ key }) => key.split(".")[0]));
  assert.deepEqual([...listed].sort(), Object.keys(properties).sort());
});

Deno.test("paths are relative to the folder of the file", () => {
  const config = parseConfig(
    "model: /abs/m.onnx\ndata: {train: {inputs: {a: x.npz#a}, labels: ../y.npy}}",
    "runs/one/ravn.yaml",
  );
  assert.equal(config.model, "/abs/m.onnx");
  assert.deepEqual(config.data.train, {
    inputs: { a: "runs/one/x.npz#a" },
    labels: "runs/y.npy",
  });
});

Deno.test("a bare type stands for it with PyTorch's defaults", () => {
  const read = (text: string) => parseConfig(MINIMAL + text, "ravn.yaml");
  assert.deepEqual(read("optimizer: sgd").optimizer, {
    ...{ type: "sgd", lr: 0.001, momentum: 0, dampening: 0, nesterov: false, weight_decay: 0 },
  });
  assert.deepEqual(read("optimizer: adamw").optimizer, {
    ...{ type: "adamw", lr: 0.001, betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0.01 },
  });
  assert.deepEqual(read("loss: cross_entropy").loss, { type: "cross_entropy", label_smoothing: 0 });
  assert.deepEqual(read("loss: {output: total}").loss, { type: "output", output: "total" });
  assert.deepEqual(read("lr_schedule: cosine").lr_schedule, {
    ...{ type: "cosine", per: "epoch", eta_min: 0 },
  });
  assert.deepEqual(
    read("lr_schedule: {type: linear_warmup, warmup: 9, then: cosine}").lr_schedule,
    {
      ...{ type: "linear_warmup", warmup: 9, start_factor: 0, per: "update" },
      then: { type: "cosine", per: "epoch", eta_min: 0 },
    },
  );
});

Deno.test("several losses name outputs, labels and weights", () => {
  const { loss } = parseConfig(
    MINIMAL + `loss:
  - {type: cross_entropy, output: mlm, labels: mlm_labels, ignore_index: -100}
  - {type: cross_entropy, output: sop, labels: sop_labels, weight: 0.5, weights: [1, 2]}
  - {output: penalty, weight: 0.01}
`,
    "ravn.yaml",
  );
  const entropy = { type: "cross_entropy", label_smoothing: 0 };
  assert.deepEqual(loss, {
    type: "sum",
    terms: [
      {
        loss: { ...entropy, ignore_index: -100 },
        output: "mlm",
        labels: "mlm_labels",
        weight: 1,
      },
      { loss: { ...entropy, weights: [1, 2] }, output: "sop", labels: "sop_labels", weight: 0.5 },
      { loss: { type: "output", output: "penalty" }, output: "penalty", weight: 0.01 },
    ],
  });
});

Deno.test("losses and optimizers have PyTorch's defaults", () => {
  const read = (text: string) => parseConfig(MINIMAL + text, "ravn.yaml");
  assert.deepEqual(read("loss: kl").loss, { type: "kl", log_target: false, reduction: "mean" });
  assert.deepEqual(read("loss: smooth_l1").loss, { type: "smooth_l1", beta: 1 });
  assert.deepEqual(read("optimizer: rmsprop").optimizer, {
    ...{ type: "rmsprop", lr: 0.01, alpha: 0.99, eps: 1e-8, momentum: 0, centered: false },
    weight_decay: 0,
  });
  assert.deepEqual(read("optimizer: adagrad").optimizer, {
    ...{ type: "adagrad", lr: 0.01, lr_decay: 0, initial_accumulator_value: 0, eps: 1e-10 },
    weight_decay: 0,
  });
  assert.deepEqual(read("lr_schedule: one_cycle").lr_schedule, {
    ...{ type: "one_cycle", pct_start: 0.3, anneal_strategy: "cos", per: "update" },
    ...{ div_factor: 25, final_div_factor: 1e4 },
  });
});

Deno.test("groups, clipping and frozen parameters are read, or refused", () => {
  const group = "{match: '*.bias', weight_decay: 0}";
  const config = parseConfig(
    `${MINIMAL}optimizer: {type: lion, groups: [${group}]}
clip: {value: 0.5}
freeze: ["features.*"]
`,
    "ravn.yaml",
  );
  assert.deepEqual(config.optimizer.groups, [{ match: ["*.bias"], weight_decay: 0 }]);
  assert.deepEqual(config.clip, { value: 0.5 });
  assert.deepEqual(config.freeze, ["features.*"]);
  const norm = (text: string) => parseConfig(`${MINIMAL}clip: ${text}`, "ravn.yaml").clip;
  assert.deepEqual(norm("{norm: 1}\nschedule: 1f1b"), { norm: 1, scope: "model" });
  assert.deepEqual(norm("{norm: 1, scope: stage}"), { norm: 1, scope: "stage" });
  refused(
    MINIMAL + "clip: {norm: 1}",
    /^ravn\.yaml:4: clip: .* async, .*; expected schedule 1f1b, .* \{norm: 1, scope: stage\}/,
  );
  refused(MINIMAL + "clip: {norm: 1, value: 1}", /^ravn\.yaml:4: unknown key "clip\./);
  refused(MINIMAL + "clip: {norm: 0}", /clip\.norm: expected more than 0, got 0/);
  refused(
    MINIMAL + "optimizer: {type: adam, groups: [{match: a, weight_dekay: 0}]}",
    'ravn.yaml:4: unknown key "optimizer.groups.0.weight_dekay"; ' +
      'did you mean "optimizer.groups.0.weight_decay"?',
  );
  refused(
    MINIMAL + "optimizer: {type: adam, lr: 0, groups: [{match: a, lr: 1}]}",
    /^ravn\.yaml:4: optimizer\.lr: must be above 0 where a group has an lr/,
  );
  refused(
    MINIMAL + "optimizer: {type: rmsprop, centred: true}",
    'ravn.yaml:4: unknown key "optimizer.centred"; did you mean "optimizer.centered"?',
  );
  refused(
    MINIMAL + "loss: [{type: cross_entropy, ignore_idex: 1}]",
    'ravn.yaml:4: unknown key "loss.0.ignore_idex"; did you mean "loss.0.ignore_index"?',
  );
  refused(MINIMAL + "loss: [{type: huber, delta: 0}]", /loss\.0\.delta: expected more than 0/);
});

Deno.test("micro-batches follow the schedule unless they are given", () => {
  const of = (text: string) => microBatchesOf(parseConfig(MINIMAL + text, "ravn.yaml"));
  assert.equal(of(""), 1);
  assert.equal(of("schedule: gpipe"), 4);
  assert.equal(of("schedule: zb"), 4);
  assert.equal(of("schedule: 1f1b\nmicro_batches: 8"), 8);
});

Deno.test("an unknown key names its line and the nearest one", () => {
  refused(MINIMAL + "epoch: 3\n", 'ravn.yaml:4: unknown key "epoch"; did you mean "epochs"?');
  refused(
    MINIMAL + "optimizer:\n  type: adam\n  lrr: 3\n",
    'ravn.yaml:6: unknown key "optimizer.lrr"; did you mean "optimizer.lr"?',
  );
  refused(
    MINIMAL + "optimizer: {type: sgd, beta: 3}\n",
    /unknown key "optimizer\.beta"; did you mean "optimizer\.\w+"\?/,
  );
  refused(
    "model: m.onnx\ndata:\n  train: {input: x.npy, labels: y.npy}\n",
    /^ravn\.yaml:3: .*"data\.train\.inputs"/,
  );
  refused(MINIMAL + "timeouts: {conect_s: 3}", /did you mean "timeouts\.connect_s"\?/);
});

Deno.test("a wrong value names its line, the key, what was expected and what came", () => {
  refused(MINIMAL + "epochs: many", 'ravn.yaml:4: epochs: expected an integer, got "many"');
  refused(MINIMAL + "epochs: 1.5", "ravn.yaml:4: epochs: expected an integer, got 1.5");
  refused(MINIMAL + "epochs: 0", "ravn.yaml:4: epochs: expected at least 1, got 0");
  refused(MINIMAL + "save: yes", 'ravn.yaml:4: save: expected true or false, got "yes"');
  refused(
    MINIMAL + "schedule: gpip",
    'ravn.yaml:4: schedule: expected async, gpipe, 1f1b or zb, got "gpip"; did you mean "gpipe"?',
  );
  refused(
    MINIMAL + "in_flight: some",
    'ravn.yaml:4: in_flight: expected auto or an integer, got "some"',
  );
  refused(MINIMAL + "val_freq: 0", "ravn.yaml:4: val_freq: expected at least 1, got 0");
  refused(
    MINIMAL + "optimizer: {type: adma}",
    /^ravn\.yaml:4: optimizer\.type: expected sgd, .* or lamb, got "adma"; did you mean "adam"/,
  );
  refused(MINIMAL + "optimizer: {lr: 1}", /missing key "optimizer\.type"; expected sgd, adam, /);
  refused(MINIMAL + "optimizer: adma", /^ravn\.yaml:4: optimizer: expected .*, got "adma"/);
  refused(
    MINIMAL + "optimizer:\n  type: adam\n  betas: [0.9, 1.5]",
    "ravn.yaml:6: optimizer.betas.1: expected at most 1, got 1.5",
  );
  refused(
    MINIMAL + "optimizer: {type: adam, betas: [0.9]}",
    /betas: expected 2 values, got \[0\.9\]/,
  );
  refused(
    MINIMAL + "optimizer: {type: sgd, nesterov: true}",
    "ravn.yaml:4: optimizer.nesterov: needs a momentum above 0 and dampening 0",
  );
  refused(MINIMAL + "loss: {output: 3}", /^ravn\.yaml:4: loss\.output: expected text, got 3/);
  refused(MINIMAL + "loss: {type: mse, label_smoothing: 1}", /unknown key "loss\.label_smoothing"/);
});

Deno.test("missing keys are named", () => {
  refused(
    "data: {train: {inputs: x, labels: y}}",
    'ravn.yaml:1: missing key "model"; expected text',
  );
  refused("model: m.onnx\n", /^ravn\.yaml:1: missing key "data"; expected a map of keys/);
  refused(
    "model: m\ndata: {train: {labels: y}}",
    /^ravn\.yaml:2: missing key "data\.train\.inputs"/,
  );
  refused(
    "model: m\ndata:\n  train:\n    inputs: x\n",
    /^ravn\.yaml:3: missing key "data\.train\.labels"; expected a file, since the loss mse/,
  );
  parseConfig("model: m\nloss: {output: l}\ndata: {train: {inputs: x}}", "ravn.yaml");
});

Deno.test("what is no YAML map is refused", () => {
  refused("", /^ravn\.yaml:1: expected keys such as/);
  refused("- 1\n- 2\n", /^ravn\.yaml:1: expected keys such as/);
  refused("model: a\nmodel: b\n", /^ravn\.yaml:2: is no valid YAML: .*unique/);
  refused("model: [a\n", /^ravn\.yaml:\d: is no valid YAML/);
  refused("model: *nothing\n", /^ravn\.yaml/);
});

Deno.test("several faults are counted", () => {
  refused(MINIMAL + "epochs: 0\nbatch_size: 0\nsede: 1", / \(and 2 more\)$/);
});

Deno.test("overrides replace keys, bare types included", () => {
  const config = parseConfig(MINIMAL + "optimizer: sgd\nloss: {type: nll}", "ravn.yaml", [
    ["optimizer.lr", "0.5"],
    ["epochs", "3"],
    ["data.train.inputs", "{a: b.npy}"],
    ["lr_schedule", "{type: step, step_size: 2}"],
    ["loss.ignore_index", "-1"],
    ["timeouts.connect_s", "1.5"],
  ]);
  assert.equal(config.optimizer.lr, 0.5);
  assert.equal(config.optimizer.type, "sgd");
  assert.equal(config.epochs, 3);
  assert.deepEqual(config.data.train.inputs, { a: "b.npy" });
  assert.equal(config.lr_schedule.type, "step");
  assert.deepEqual(config.loss, { type: "nll", ignore_index: -1 });
  assert.equal(config.timeouts.connect_s, 1.5);
  assert.equal(parseConfig(MINIMAL, "f", [["optimizer.lr", "0.5"]]).optimizer.type, "adam");
});

Deno.test("a fault in an override names the override", () => {
  refused(
    MINIMAL,
    '--set optimizer.lrr=1: unknown key "optimizer.lrr"; did you mean "optimizer.lr"?',
    [["optimizer.lrr", "1"]],
  );
  refused(MINIMAL, '--set epochs=x: epochs: expected an integer, got "x"', [["epochs", "x"]]);
  refused(MINIMAL, /^--set epochs=\[1: "\[1" is no valid YAML value$/, [["epochs", "[1"]]);
  refused(MINIMAL, /unknown key "__proto__/, [["__proto__.x", "1"]]);
});

Deno.test("the JSON Schema describes what a file may hold", () => {
  const text = JSON.stringify(configJsonSchema());
  const schema = JSON.parse(text);
  assert.equal(schema.additionalProperties, false);
  assert.deepEqual(schema.required, ["model", "data"]);
  assert.equal(schema.properties.epochs.default, 100);
  assert.match(schema.properties.epochs.description, /through the data/);
  assert.match(text, /linear_warmup/);
});

Deno.test("the parts of a configuration are what training takes", () => {
  const config = parseConfig(MINIMAL, "ravn.yaml");
  const loss: LossConfig = config.loss;
  const optimizer: OptimizerConfig = config.optimizer;
  const schedule: RateSchedule = config.lr_schedule;
  const files: DataFiles = config.data.train;
  assert.ok(loss && optimizer && schedule && files);
});
