import assert from "node:assert/strict";
import { digitsCnn } from "../../models/mod.ts";
import { diffPlans } from "./diff.ts";
import { makePlan } from "./plan.ts";
import type { PlanInput } from "./plan.ts";
import type { Plan } from "./plan_schema.ts";
import { alike, planInput, walkthroughNodes } from "./testing/plan_inputs.ts";

const digits = digitsCnn({ seed: 42 });

function planOf(changes: Partial<PlanInput> = {}): Plan {
  return makePlan(planInput(digits, walkthroughNodes(), { clusters: 1, ...changes }));
}

/** The node of each operator, in the first cluster. */
function holders({ clusters }: Plan): Map<string, string> {
  return new Map(
    clusters[0]!.stages.flatMap(({ name, operators }) => operators.map((each) => [each, name])),
  );
}

Deno.test("equal plans differ in nothing", () => {
  const none = { settings: [], clusters: [], nodes: [], moved: [] };
  assert.deepEqual(diffPlans(planOf(), planOf()), none);
});

Deno.test("other data beside the same model file are another model", () => {
  const file = { file: "model.onnx", sha256: "a".repeat(64) };
  const of = (digit: string) =>
    planOf({ model: { ...file, external: { "model.data": digit.repeat(64) } } });
  assert.deepEqual(diffPlans(of("b"), of("c")).settings, [{
    key: "model",
    before: "model.onnx (aaaaaaaaaaaa, bbbbbbbbbbbb)",
    after: "model.onnx (aaaaaaaaaaaa, cccccccccccc)",
  }]);
});

Deno.test("another cut: every operator that moved is told once, with both nodes", () => {
  const before = planOf({ split: "params" });
  const after = planOf({ split: "ravnest" });
  const { settings, moved, nodes } = diffPlans(before, after);
  assert.deepEqual(settings, [{ key: "split", before: "params", after: "ravnest" }]);
  const [was, is] = [holders(before), holders(after)];
  const told = moved.flatMap(({ operators }) => operators);
  const expected = [...was.keys()].filter((operator) => was.get(operator) !== is.get(operator));
  assert.deepEqual(told.toSorted(), expected.toSorted());
  for (const { from, to, operators } of moved) {
    assert.ok(operators.every((each) => was.get(each) === from && is.get(each) === to));
  }
  for (const { node, before: one, after: other } of nodes) {
    assert.notDeepEqual(one, other, node);
  }
});

Deno.test("another number of nodes: who is new and who is gone", () => {
  const [two, three] = [alike(2), alike(3)];
  const before = makePlan(planInput(digits, two, { clusters: 1 }));
  const after = makePlan(planInput(digits, three, { clusters: 1 }));
  const grown = diffPlans(before, after).nodes.find(({ node }) => node === "node_2")!;
  assert.equal(grown.before, undefined);
  assert.equal(grown.after!.stage, 2);
  const shrunk = diffPlans(after, before).nodes.find(({ node }) => node === "node_2")!;
  assert.equal(shrunk.after, undefined);
});

Deno.test("more clusters: the new one is told with its operators", () => {
  const { clusters, moved } = diffPlans(planOf(), planOf({ clusters: [[0], [1, 2]] }));
  assert.equal(clusters.find(({ cluster }) => cluster === 1)!.before_ms, undefined);
  const added = moved.filter(({ cluster }) => cluster === 1);
  assert.ok(added.length > 0 && added.every(({ from }) => from === undefined));
});
