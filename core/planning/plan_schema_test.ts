import assert from "node:assert/strict";
import { digitsCnn } from "../../models/mod.ts";
import { RavnError } from "../error.ts";
import { makePlan } from "./plan.ts";
import { parsePlan } from "./plan_schema.ts";
import type { Plan } from "./plan_schema.ts";
import { alike, planInput } from "./testing/plan_inputs.ts";

const plan = makePlan(
  planInput(digitsCnn({ seed: 1 }), alike(5), {
    clusters: [[0, 1, 2], [3, 4]],
    model: { file: "model.onnx", sha256: "ab".repeat(32), output: "y" } as PlanModel,
  }),
);
type PlanModel = { file: string; sha256: string };

Deno.test("a plan survives being written and read, with what was said about the model", () => {
  const read = parsePlan(JSON.stringify(plan, null, 2), "plan.json");
  assert.deepEqual(read, plan);
  assert.equal(read.model["output"], "y");
});

Deno.test("a damaged plan is refused, naming file and key", () => {
  const damaged = (change: (copy: Plan) => void): string => {
    const copy = structuredClone(plan);
    change(copy);
    return JSON.stringify(copy);
  };
  const cases: [string, RegExp][] = [
    ["{", /^plan\.json: line 1, column 2: not valid JSON/],
    ["[]", /^plan\.json: .*: run clusterize again$/],
    ['{"format": 2}', /plans of format 2 are not known, only 1: run clusterize again/],
    [
      JSON.stringify({ ...plan, extra: 1 }),
      /extra/,
    ],
    [
      damaged((p) => Object.assign(p.clusters[0]!.stages[1]!, { node: "x" })),
      /clusters\[0\]\.stages\[1\]\.node: .*number/,
    ],
    [damaged((p) => p.clusters[1]!.stages.pop()), /cluster 1 has not one stage for each node/],
    [
      damaged((p) => p.clusters[0]!.stages[1]!.operators.push("conv2d_1")),
      /cluster 0 has an operator in two stages/,
    ],
    [damaged((p) => p.clusters[1]!.id = 0), /cluster 0 is not at its place/],
    [damaged((p) => p.clusters[0]!.stages[0]!.stage = 1), /stage 0 is not at its place/],
    [
      damaged((p) => p.clusters[0]!.stages[1]!.sends[0]!.to = [0]),
      /stage 1 exchanges a value with a stage out of order/,
    ],
    [damaged((p) => p.node_info.pop()), /node_info does not agree with clusters/],
    [damaged((p) => p.model.sha256 = "x"), /model\.sha256: /],
  ];
  for (const [text, message] of cases) {
    assert.throws(() => parsePlan(text, "plan.json"), (thrown) => {
      assert.ok(thrown instanceof RavnError, String(thrown));
      assert.match(thrown.message, message);
      return true;
    });
  }
});
