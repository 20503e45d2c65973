import assert from "node:assert/strict";
import { type OperatorInfo, operators } from "../core/autodiff/mod.ts";
import { verbs } from "./main.ts";
import { operatorCounts, opsetText } from "./operator_table.ts";
import { runCommandLine } from "./shell.ts";
import { fakeEngine, fakeShell } from "./testing.ts";

const infos: OperatorInfo[] = [
  { op: "If", domain: "", kind: "refused", since: 7, reason: "control flow" },
  { op: "MaxPool", domain: "", kind: "refused", since: 7, until: 7, reason: "from 8 on" },
  { op: "MaxPool", domain: "", kind: "differentiable", since: 8 },
  { op: "Sign", domain: "", kind: "zero", since: 9, reason: "constant" },
  { op: "BiasGelu", domain: "com.microsoft", kind: "differentiable", since: 1 },
];

/** What `ravn inspect --operators` prints of some operators. */
async function printed(known: readonly OperatorInfo[], ...words: string[]): Promise<string> {
  const engine = fakeEngine({ operators: () => Promise.resolve(known) });
  const shell = fakeShell({ engine });
  assert.equal(await runCommandLine(["inspect", "--operators", ...words], verbs, shell), 0);
  return shell.out.text;
}

Deno.test("--operators prints the table and counts each operator once", async () => {
  assert.equal(
    await printed(infos),
    [
      "operator                opset  gradient        why",
      "If                      7+     refused         control flow",
      "MaxPool                 7      refused         from 8 on",
      "MaxPool                 8+     differentiable",
      "Sign                    9+     zero            constant",
      "com.microsoft.BiasGelu  1+     differentiable",
      "",
      "2 differentiable, 1 without gradient, 1 refused",
      "",
    ].join("\n"),
  );
  assert.equal(opsetText({ ...infos[0]!, since: 9, until: 10 }), "9–10");
});

Deno.test("--operators --json gives the same to programs", async () => {
  const event = JSON.parse(await printed(infos, "--json"));
  assert.deepEqual(event, { event: "operators", operators: infos });
});

Deno.test("a model with a refused operator shows the reason once", async () => {
  const reason = "control flow: export it unrolled";
  const refused = { op: "Loop", domain: "", gradient: "refused" as const, reason };
  const engine = fakeEngine({
    inspect: () =>
      Promise.resolve({
        name: "model",
        opsets: { "": 17 },
        inputs: [],
        outputs: [],
        parameters: [],
        fixed: [],
        nodes: [
          { name: "a", op: "Relu", domain: "", gradient: "yes" },
          { name: "b", ...refused },
          { name: "c", ...refused },
        ],
      }),
  });
  const shell = fakeShell({ engine });
  assert.equal(await runCommandLine(["inspect", "m.onnx"], verbs, shell), 0);
  assert.match(shell.out.text, /^Loop +2 +refused$/m);
  assert.match(shell.out.text, /\ncannot be trained through Loop: control flow: [^\n]*\n$/);
});

Deno.test("at least 110 operators are differentiable", async () => {
  const known = operators();
  assert.ok(operatorCounts(known).differentiable >= 110);
  const lines = (await printed(known)).split("\n");
  assert.equal(lines.length, known.length + 4);
});
