import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { verbs } from "./main.ts";

const MAIN = fileURLToPath(new URL("./main.ts", import.meta.url));

async function ravn(words: readonly string[], options: Deno.CommandOptions = {}) {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", MAIN, ...words],
    ...options,
  });
  const { code, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
}

Deno.test("ravn --help lists the verbs", async () => {
  const { code, out, err } = await ravn(["--help"]);
  assert.deepEqual([code, err], [0, ""]);
  for (const verb of verbs) assert.ok(out.includes(`  ${verb.name}`), verb.name);
});

Deno.test("exit codes reach the shell", async () => {
  const { code, out, err } = await ravn(["trian"]);
  assert.deepEqual([code, out], [2, ""]);
  assert.equal(err, "ravn: unknown verb 'trian'; did you mean train?\n");
});

Deno.test("completions: a script for every shell", async () => {
  for (const shell of ["bash", "zsh", "fish", "powershell"]) {
    const { code, out } = await ravn(["completions", shell]);
    assert.equal(code, 0);
    assert.match(out, /ravn complete/);
  }
});

Deno.test("completions: verbs, options and their values", async () => {
  const complete = async (...words: string[]) => {
    const { out } = await ravn(["complete", "--", ...words]);
    return out.trimEnd().split("\n").map((line) => line.split("\t")[0]);
  };
  assert.deepEqual(await complete("clu"), ["clusterize", ":4"]);
  assert.deepEqual(await complete("clusterize", "--sp"), ["--split", ":4"]);
  assert.deepEqual(await complete("clusterize", "--split", "p"), ["params", ":4"]);
  assert.deepEqual(await complete("provide", "--device", ""), ["cpu", "cuda", "webgpu", ":4"]);
  assert.deepEqual(await complete("inspect", ""), [":0"], "file names are the shell's");
});

Deno.test("a task runs in the folder from which it was called", async () => {
  const root = fileURLToPath(new URL("..", import.meta.url));
  const called = await Deno.makeTempDir();
  try {
    const env = { INIT_CWD: called };
    const task = await ravn(["inspect", "missing.onnx"], { cwd: root, env });
    assert.equal(task.code, 2);
    assert.ok(task.err.includes(called), task.err);
    const elsewhere = await ravn(["inspect", "missing.onnx"], {
      cwd: called,
      env: { INIT_CWD: root },
    });
    assert.ok(elsewhere.err.includes(called), elsewhere.err);
  } finally {
    await Deno.remove(called, { recursive: true });
  }
});
