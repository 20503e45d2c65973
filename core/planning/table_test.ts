import assert from "node:assert/strict";
import { digitsCnn } from "../../models/mod.ts";
import { makePlan } from "./plan.ts";
import { alignedRows, planLog, planTable } from "./table.ts";
import { alike, planInput, walkthroughNodes } from "./testing/plan_inputs.ts";

const digits = digitsCnn({ seed: 1 });

Deno.test("the log of the walkthrough", () => {
  const plan = makePlan(planInput(digits, walkthroughNodes(), { split: "ravnest" }));
  assert.equal(
    planLog(plan),
    `Node(0, Cluster(0)) 
self.IP(0.0.0.0:8080) 
Ring IDs({0: 'conv2d_1.weight'}) 
Address2Param({'0.0.0.0:8080': 'conv2d_1.weight'})


Node(1, Cluster(0)) 
self.IP(0.0.0.0:8081) 
Ring IDs({1: 'dense_1.weight'}) 
Address2Param({'0.0.0.0:8081': 'dense_1.weight'})


Node(2, Cluster(0)) 
self.IP(0.0.0.0:8082) 
Ring IDs({2: 'bn_3.weight'}) 
Address2Param({'0.0.0.0:8082': 'bn_3.weight'})`,
  );
});

Deno.test("a node in two rings shows both", () => {
  const plan = makePlan(planInput(digits, alike(5), { clusters: [[0, 1, 2], [3, 4]] }));
  const block = planLog(plan).split("\n\n\n")[4]!;
  assert.match(block, /^Node\(4, Cluster\(1\)\) \nself\.IP\(host4:8080\) \nRing IDs\(/);
  assert.match(block, /\nRing IDs\(\{1: '[^']+', 2: '[^']+'\}\) \n/);
  assert.match(block, /\nAddress2Param\(\{'host1:8080': '[^']+', 'host2:8080': '[^']+'\}\)$/);
});

Deno.test("the table has a line for every stage under a heading", () => {
  const plan = makePlan(planInput(digits, alike(9), { recompute: "on" }));
  const tables = planTable(plan).split("\n\n");
  assert.equal(tables.length, 3);
  const [title, head, ...rows] = tables[0]!.split("\n");
  assert.match(title!, /^cluster 0: 3 stages, predicted \d+\.\d ms a step$/);
  assert.match(
    head!,
    /^stage +node +role +operators +parameters +memory +predicted ms +bytes sent$/,
  );
  assert.equal(rows.length, 3);
  assert.match(
    rows[0]!,
    /^ +0 +node_0 \(host0:8080\) +root +conv2d_1 … \w+ \(\d+\) .*MB\* .*KB$/,
  );
  assert.ok(rows.every((row) => row.length === head!.length));
});

Deno.test("rows are aligned: text left, numbers right", () => {
  const rows = [["a", "n"], ["long", "1"], ["b", "100"]];
  assert.equal(alignedRows(rows, new Set([0])), "a       n\nlong    1\nb     100");
  assert.equal(alignedRows([], new Set()), "");
});
