import assert from "node:assert/strict";
import { type Outcome, runBenches } from "./runner.ts";

const BENCHES = [
  { name: "step/mlp", module: "step.ts" },
  { name: "step/lenet", module: "step.ts" },
  { name: "frames/1MiB", module: "frames.ts" },
];

async function run(prefix: string, outcome: Outcome) {
  const started: string[] = [];
  const printed: string[] = [];
  const good = await runBenches(BENCHES, prefix, (bench) => {
    started.push(bench.name);
    return Promise.resolve(outcome);
  }, (line) => printed.push(line));
  return { good, started, printed };
}

Deno.test("benches are chosen by prefix, and only their lines of JSON are handed on", async () => {
  const line = '{"bench":"x","ratio":0.5}';
  const outcome = { code: 0, stdout: `warming up\n${line}\n`, reason: "" };
  assert.deepEqual(await run("step/", outcome), {
    good: true,
    started: ["step/mlp", "step/lenet"],
    printed: [line, line],
  });
  assert.equal((await run("", outcome)).started.length, 3);
});

Deno.test("a bench that fails, or says nothing, is a line with its error", async () => {
  const failed = await run("frames", { code: 1, stdout: "", reason: "no socket" });
  assert.equal(failed.good, false);
  assert.deepEqual(failed.printed, ['{"bench":"frames/1MiB","error":"no socket"}']);
  const silent = await run("frames", { code: 0, stdout: "hello\n", reason: "" });
  assert.deepEqual(silent.printed, ['{"bench":"frames/1MiB","error":"it printed no result"}']);
});

Deno.test("a prefix that fits nothing is an error", async () => {
  const { good, started, printed } = await run("stap", { code: 0, stdout: "", reason: "" });
  assert.deepEqual([good, started.length, printed.length], [false, 0, 1]);
});
