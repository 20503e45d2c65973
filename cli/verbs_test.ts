import assert from "node:assert/strict";
import { clusterize } from "./clusterize.ts";
import { completions } from "./completions.ts";
import { doctor } from "./doctor.ts";
import { evaluate } from "./eval.ts";
import { optionsOf } from "./testing.ts";
import { fuse } from "./fuse.ts";
import { init } from "./init.ts";
import { inspect } from "./inspect.ts";
import { predict } from "./predict.ts";
import { provide } from "./provide.ts";
import { trace } from "./trace.ts";
import { train } from "./train.ts";

Deno.test("init", () => {
  assert.deepEqual(optionsOf(init, []), { folder: ".", model: "digits_cnn", force: false });
  assert.deepEqual(
    optionsOf(init, ["digits", "--model", "mlp", "--force"]),
    { folder: "digits", model: "mlp", force: true },
  );
});

Deno.test("clusterize", () => {
  const defaults = {
    nodes: "node_data/node_configs.json",
    dryRun: false,
    explain: false,
    force: false,
  };
  assert.deepEqual(optionsOf(clusterize, []), defaults);
  assert.deepEqual(
    optionsOf(clusterize, ["m.onnx", "--dry-run"]),
    { ...defaults, model: "m.onnx", dryRun: true },
  );
  const words = "m.onnx --config c.yaml --nodes n.json --split ravnest --clusters 2 --batch 32 " +
    "--seed 0 --in-flight 3 --recompute on --force";
  assert.deepEqual(optionsOf(clusterize, words.split(" ")), {
    model: "m.onnx",
    config: "c.yaml",
    nodes: "n.json",
    split: "ravnest",
    clusters: 2,
    batch: 32,
    seed: 0,
    inFlight: 3,
    recompute: "on",
    dryRun: false,
    explain: false,
    force: true,
  });
  assert.throws(() => optionsOf(clusterize, ["m.onnx", "--split", "half"]), /Allowed choices/);
  assert.throws(() => optionsOf(clusterize, ["m.onnx", "--batch", "0"]), /at least 1/);
});

Deno.test("provide", () => {
  const defaults = { name: "node_2", set: [], force: false };
  assert.deepEqual(optionsOf(provide, ["--name", "node_2"]), defaults);
  const words =
    "--name node_2 --config c.yaml --set epochs=5 --in-flight 4 --device cuda --threads 2 " +
    "--token secret --timeout 1.5 --barrier --trace --force";
  assert.deepEqual(optionsOf(provide, words.split(" ")), {
    name: "node_2",
    config: "c.yaml",
    set: [["epochs", "5"], ["reduce_delay", "0"]],
    inFlight: 4,
    device: "cuda",
    threads: 2,
    token: "secret",
    timeout_s: 1.5,
    trace: true,
    force: true,
  });
  assert.throws(() => optionsOf(provide, []), /--name/);
});

Deno.test("provide takes its token from RAVN_TOKEN unless one is given", () => {
  const environment = (name: string) => name === "RAVN_TOKEN" ? "from outside" : undefined;
  const read = (...more: string[]) =>
    optionsOf(provide, ["--name", "node_0", ...more], environment);
  assert.equal(read().token, "from outside");
  assert.equal(read("--token", "given").token, "given");
});

Deno.test("train", () => {
  const defaults = { single: false, force: false, set: [] };
  assert.deepEqual(optionsOf(train, []), defaults);
  const words = "--single --set epochs=5 seed=7 --set loss=a=b --threads 1 --config c.yaml";
  assert.deepEqual(optionsOf(train, words.split(" ")), {
    ...defaults,
    single: true,
    set: [["epochs", "5"], ["seed", "7"], ["loss", "a=b"]],
    threads: 1,
    config: "c.yaml",
  });
});

Deno.test("fuse", () => {
  assert.deepEqual(optionsOf(fuse, ["0"]), { cluster: 0, out: "trained", force: false });
  assert.deepEqual(
    optionsOf(fuse, ["3", "--out", "here", "--force"]),
    { cluster: 3, out: "here", force: true },
  );
  assert.throws(() => optionsOf(fuse, ["first"]), /whole number/);
});

Deno.test("trace", () => {
  assert.deepEqual(optionsOf(trace, []), { folder: ".", out: "trace.json" });
  assert.deepEqual(optionsOf(trace, ["run"]), { folder: "run", out: "run/trace.json" });
  assert.deepEqual(optionsOf(trace, ["run", "--out", "t.json"]), { folder: "run", out: "t.json" });
});

Deno.test("eval", () => {
  assert.deepEqual(optionsOf(evaluate, ["m.onnx"]), { model: "m.onnx", batch: 256 });
  assert.deepEqual(
    optionsOf(evaluate, "m.onnx --data x.npy --labels y.npy --batch 8".split(" ")),
    { model: "m.onnx", inputs: "x.npy", labels: "y.npy", batch: 8 },
  );
  assert.throws(
    () => optionsOf(evaluate, ["m.onnx", "--data", "x.npy"]),
    /--data was given without --labels/,
  );
});

Deno.test("predict", () => {
  assert.deepEqual(
    optionsOf(predict, "m.onnx --data x.npy".split(" ")),
    { model: "m.onnx", inputs: "x.npy", out: "predictions.npy", batch: 256 },
  );
  assert.deepEqual(
    optionsOf(predict, "m.onnx --data ids=i.npy --data mask=m.npy".split(" ")).inputs,
    { ids: "i.npy", mask: "m.npy" },
  );
  assert.throws(() => optionsOf(predict, ["m.onnx"]), /--data/);
});

Deno.test("inspect, doctor, completions", () => {
  const model = { what: "model", model: "m.onnx" };
  assert.deepEqual(optionsOf(inspect, ["m.onnx"]), { ...model, nodes: false });
  assert.deepEqual(optionsOf(inspect, ["m.onnx", "--nodes"]), { ...model, nodes: true });
  assert.deepEqual(optionsOf(inspect, ["--operators"]), { what: "operators" });
  assert.throws(() => optionsOf(inspect, []), /which model\?/);
  assert.throws(() => optionsOf(inspect, ["m.onnx", "--operators"]), /leave the model .* out/);
  assert.deepEqual(optionsOf(doctor, []), {});
  assert.deepEqual(optionsOf(completions, ["zsh"]), { shell: "zsh" });
});

Deno.test("every verb has examples that its own options parse", () => {
  const verbs = { init, clusterize, provide, train, fuse, eval: evaluate, predict, inspect };
  for (const [name, verb] of Object.entries(verbs)) {
    assert.ok(verb.examples.length >= 2, name);
    for (const [example] of verb.examples) {
      const command = example.replace(/ > .*$/, "").replace(/^.*?ravn /, "");
      const [first, ...words] = command.replaceAll("'", "").split(" ");
      assert.equal(first, name);
      assert.doesNotThrow(() => parse(name, words.filter((word) => word !== "--json")), example);
    }
  }

  function parse(name: string, words: string[]): void {
    if (name === "init") optionsOf(init, words);
    else if (name === "clusterize") optionsOf(clusterize, words);
    else if (name === "provide") optionsOf(provide, words);
    else if (name === "train") optionsOf(train, words);
    else if (name === "fuse") optionsOf(fuse, words);
    else if (name === "eval") optionsOf(evaluate, words);
    else if (name === "predict") optionsOf(predict, words);
    else optionsOf(inspect, words);
  }
});
