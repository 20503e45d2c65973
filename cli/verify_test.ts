import assert from "node:assert/strict";
import { EXIT } from "../core/error.ts";
import type { VerifyReport } from "../core/run/requests.ts";
import { verbs } from "./main.ts";
import { runCommandLine } from "./shell.ts";
import { fakeEngine, fakeShell, optionsOf } from "./testing.ts";
import { verify } from "./verify.ts";

const DEFAULTS = { seed: 1, tolerance: 0.01, seconds: 60, all: false };

Deno.test("verify's options", () => {
  assert.deepEqual(optionsOf(verify, ["m.onnx"]), { model: "m.onnx", ...DEFAULTS });
  const words =
    "m.onnx --inputs ids=i.npy --inputs mask=m.npy --size sequence=64 --size width=32 " +
    "--batch 2 --seed 7 --tolerance 0.02 --seconds 5 --all";
  assert.deepEqual(optionsOf(verify, words.split(" ")), {
    model: "m.onnx",
    inputs: { ids: "i.npy", mask: "m.npy" },
    sizes: new Map([["sequence", 64], ["width", 32]]),
    batch: 2,
    seed: 7,
    tolerance: 0.02,
    seconds: 5,
    all: true,
  });
  assert.throws(() => optionsOf(verify, ["m.onnx", "--size", "sequence"]), /dimension=n/);
  assert.throws(() => optionsOf(verify, ["m.onnx", "--tolerance", "0"]), /above 0/);
});

const NUMBERS = { analytic: 1.5, numeric: 1.25, step: 0.125, relative: 0.2 };

function reportOf(verdict: VerifyReport["verdict"]): VerifyReport {
  const worst = {
    kind: "operator",
    name: "relu1",
    op: "Relu",
    input: "x",
    verdict: verdict === "fail" ? "differs" : "agrees",
    ...NUMBERS,
  } as const;
  return {
    file: "m.onnx",
    verdict,
    samples: 4,
    tolerance: 0.01,
    model: { checked: verdict === "incomplete" ? 0 : 3, of: 3 },
    operators: { checked: 1, of: 2 },
    parameters: { checked: 0, of: 0 },
    secondsForAll: 300,
    idle: ["unused"],
    worst,
    rows: [{ kind: "model", name: "random direction", ...NUMBERS, verdict: "agrees" }, worst],
    seconds: 1,
  };
}

Deno.test("verify prints the worst place, what it left out, and how it ended", async () => {
  const run = async (verdict: VerifyReport["verdict"]) => {
    const engine = fakeEngine({ verify: () => Promise.resolve(reportOf(verdict)) });
    const shell = fakeShell({ engine });
    const code = await runCommandLine(["verify", "m.onnx"], verbs, shell);
    return { code, out: shell.out.text, err: shell.err.text };
  };
  const good = await run("pass");
  assert.equal(good.code, EXIT.ok);
  assert.match(good.out, /worst error 2\.0e-1 at relu1 \(Relu\), by x\nPASS/);
  assert.match(good.out, /1 of 2 kinds of operator .*\(--seconds 300 looks at all\)/);
  assert.match(good.out, /no output depends on: unused/);
  const bad = await run("fail");
  assert.equal(bad.code, EXIT.failure);
  assert.match(bad.out, /FAIL/);
  assert.match(bad.err, /m\.onnx: gradients differ .* worst at relu1 \(Relu\), by x/);
  const short = await run("incomplete");
  assert.equal(short.code, EXIT.incomplete);
  assert.match(short.out, /INCOMPLETE/);
  assert.match(short.err, /m\.onnx: the time was up .* try --seconds 300/);
});
