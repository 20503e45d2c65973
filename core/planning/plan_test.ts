import assert from "node:assert/strict";
import { digitsCnn, residual } from "../../models/mod.ts";
import { RavnError } from "../error.ts";
import { Random } from "../random.ts";
import { makePlan } from "./plan.ts";
import type { PlanInput } from "./plan.ts";
import { alike, planInput, poolOf, walkthroughNodes } from "./testing/plan_inputs.ts";
import { checkPlan } from "./testing/plan_invariants.ts";
import { randomGraph } from "./testing/random_graph.ts";

const digits = digitsCnn({ seed: 42 });
const residualNet = residual({ seed: 42 });

function planned(input: PlanInput) {
  const plan = makePlan(input);
  checkPlan(plan, input);
  return plan;
}

function refused(input: PlanInput, message: RegExp): void {
  assert.throws(() => makePlan(input), (thrown) => {
    assert.ok(thrown instanceof RavnError, String(thrown));
    assert.match(thrown.message, message);
    assert.ok(!thrown.message.includes("\n"));
    return true;
  });
}

Deno.test("the walkthrough: root, stem and leaf, cut before dense_1 and bn_3", () => {
  const { clusters, node_info } = planned(
    planInput(digits, walkthroughNodes(), { split: "ravnest" }),
  );
  assert.deepEqual(clusters.map(({ nodes }) => nodes), [[0, 1, 2]]);
  const { stages } = clusters[0]!;
  assert.deepEqual(stages.map(({ role }) => role), ["root", "stem", "leaf"]);
  assert.deepEqual(stages.map(({ operators }) => operators[0]), ["conv2d_1", "dense_1", "bn_3"]);
  assert.deepEqual(stages.map(({ outstanding }) => outstanding), [3, 2, 1]);
  assert.deepEqual(stages.map(({ parameter_count }) => parameter_count), [4896, 8448, 3082]);
  assert.deepEqual(node_info[1], {
    node: 1,
    name: "node_1",
    address: "0.0.0.0:8081",
    cluster: 0,
    stage: 1,
    role: "stem",
    ring_ids: { 1: "dense_1.weight" },
    address_to_param: { "0.0.0.0:8081": "dense_1.weight" },
  });
});

Deno.test("the walkthrough's nodes form one cluster of three for every seed", () => {
  const nodes = walkthroughNodes();
  const input = planInput(digits, nodes);
  for (let seed = 0; seed < 200; seed++) {
    const { clusters } = makePlan({ ...input, seed });
    assert.deepEqual(clusters.map(({ nodes }) => nodes), [[0, 1, 2]]);
  }
});

Deno.test("the digits CNN is cut into 1 to 7 stages, and not into 8", () => {
  for (const split of ["time", "params"] as const) {
    for (let stages = 1; stages <= 7; stages++) {
      const { clusters } = planned(planInput(digits, alike(stages), { split }));
      assert.equal(clusters[0]!.stages.length, stages);
    }
  }
  const { stages } = planned(planInput(digits, alike(1))).clusters[0]!;
  assert.equal(stages[0]!.role, "single");
  assert.deepEqual(stages[0]!.sends, []);
  refused(
    planInput(digits, alike(8), { clusters: [[0, 1, 2, 3, 4, 5, 6, 7]] }),
    /into 8 stages, only into 7: every stage needs a trainable parameter; use at most 7/,
  );
});

Deno.test("more nodes than stages form further clusters", () => {
  const { clusters, rings } = planned(planInput(digits, alike(9)));
  assert.deepEqual(clusters.map(({ nodes }) => nodes.length), [3, 3, 3]);
  assert.equal(rings.length, 3);
  const forced = planned(planInput(digits, alike(9), { clusters: 2 }));
  assert.deepEqual(forced.clusters.map(({ nodes }) => nodes.length).sort(), [4, 5]);
  // The shares of Ravnest give no more than five stages.
  const shares = planned(planInput(digits, alike(6), { split: "ravnest" }));
  assert.deepEqual(shares.clusters.map(({ nodes }) => nodes.length), [3, 3]);
});

Deno.test("the same input gives the same plan", () => {
  const random = new Random(8);
  const nodes = poolOf(
    Array.from(
      { length: 11 },
      () => ({ ram: 4 + random.integer(8), speed: 1 + random.integer(3) }),
    ),
  );
  const input = planInput(digits, nodes);
  assert.deepEqual(makePlan(input), makePlan(input));
  checkPlan(makePlan(input), input);
});

Deno.test("given clusters are kept, in the order of their nodes", () => {
  const input = planInput(digits, alike(5), { clusters: [[2, 0, 1], [4, 3]] });
  const { clusters, node_info } = planned(input);
  assert.deepEqual(clusters.map(({ nodes }) => nodes), [[2, 0, 1], [4, 3]]);
  assert.deepEqual(node_info.map(({ role }) => role), ["stem", "leaf", "root", "leaf", "root"]);
});

Deno.test("skips across one and two stages go directly to their reader", () => {
  for (let stages = 1; stages <= 6; stages++) {
    planned(planInput(residualNet, alike(stages)));
  }
  // Twelve stages cut inside the blocks: a shortcut passes two stages and more.
  const { stages } = planned(planInput(residualNet, alike(12))).clusters[0]!;
  const spans = stages.flatMap(({ stage, sends }) =>
    sends.flatMap(({ to }) => to.map((t) => t - stage))
  );
  assert.ok(spans.includes(2) && spans.some((span) => span > 2), spans.join());
});

Deno.test("random networks with skips, late inputs and tied weights: plans hold", () => {
  const random = new Random(21);
  let plans = 0;
  for (let trial = 0; trial < 60; trial++) {
    const graph = randomGraph(random, 3 + random.integer(20));
    const input = planInput(
      graph,
      poolOf(
        Array.from({ length: 1 + random.integer(5) }, () => ({
          // 1 GB, or a few KB so that some stages must recompute
          ram: random.integer(2) === 0 ? 1 : (20 + random.integer(60)) / 2 ** 20,
          bandwidth: 1 + random.integer(1000),
          speed: 1 + random.integer(3),
        })),
      ),
      { split: random.integer(3) === 0 ? "params" : "time" },
    );
    try {
      checkPlan(makePlan(input), input);
      plans++;
    } catch (thrown) {
      if (!(thrown instanceof RavnError)) throw thrown;
    }
  }
  assert.ok(plans > 30, `only ${plans} of 60 could be planned`);
});

Deno.test("too little memory is refused, with what is needed and what there is", () => {
  refused(
    planInput(digits, alike(3, { ram: 0.0002 })),
    new RegExp(
      "^node_data/node_configs.json: not enough memory: training in 3 stages on node_0, node_1, " +
        "node_2 with micro-batches of 64 needs [\\d.]+ MB, available are 0.61 MB " +
        "\\(node_\\d lacks [\\d.]+ MB\\): add nodes or RAM",
    ),
  );
  // Each cluster must hold the model: eight nodes are two clusters, and one node is tiny.
  refused(
    planInput(digits, alike(8, { ram: 0.0005 })),
    /not enough memory: .*each of the \d clusters must hold the model, and one takes up to 7 nodes/,
  );
});

Deno.test("nodes stand in the order of their memory where that of their ids does not fit", () => {
  const ram = [0.001, 0.004];
  const { clusters } = planned(planInput(digits, poolOf(ram.map((gb) => ({ ram: gb })))));
  assert.deepEqual(clusters[0]!.nodes, [1, 0]);
});

Deno.test("recompute sets in where activations do not fit, or where it is told to", () => {
  const big = planned(planInput(digits, alike(2))).clusters[0]!.stages;
  assert.deepEqual(big.map(({ recompute }) => recompute), [false, false]);
  const told = planned(planInput(digits, alike(2), { recompute: "on" })).clusters[0]!.stages;
  assert.deepEqual(told.map(({ recompute }) => recompute), [true, false]);
  assert.ok(told[0]!.memory.activations < big[0]!.memory.activations);
  const ram = (big[0]!.memory.total - 1) / 2 ** 30;
  const tight = planned(planInput(digits, alike(2, { ram, bandwidth: 1e6 }))).clusters[0]!.stages;
  assert.ok(tight[0]!.recompute || tight[0]!.operators.length < big[0]!.operators.length);
});

Deno.test("a faster node gets more of the model", () => {
  const nodes = poolOf([{ speed: 1, bandwidth: 1e6 }, { speed: 8, bandwidth: 1e6 }]);
  const uneven = planned(planInput(digits, nodes)).clusters[0]!.stages;
  const even = planned(planInput(digits, alike(2, { bandwidth: 1e6 }))).clusters[0]!.stages;
  assert.ok(uneven[1]!.operators.length > even[1]!.operators.length);
});

Deno.test("measured times decide the cut", () => {
  const times = new Map(digits.nodes.map(({ name }) => [
    name,
    name === "dense_2" ? { forward_ms: 5, backward_ms: 9 } : { forward_ms: 0.1, backward_ms: 0.1 },
  ]));
  const nodes = alike(2, { bandwidth: 1e6 });
  const [front, back] = planned(planInput(digits, nodes, { times })).clusters[0]!.stages;
  assert.deepEqual(back!.operators, ["dense_2", "act_4"]);
  assert.ok(Math.abs(back!.predicted.forward_ms - 5.1) < 1e-3);
  assert.ok(Math.abs(front!.predicted.backward_ms - 1.6) < 1e-3);
});

Deno.test("wrong requests are refused", () => {
  refused(planInput(digits, alike(3), { clusters: 4 }), /3 nodes can form 1 to 3 clusters, got 4/);
  refused(
    planInput(digits, alike(9), { clusters: 1 }),
    /9 nodes do not go into 1: .* 7 stages, so form at least 2 clusters/,
  );
  refused(planInput(digits, alike(2), { clusters: [[0], [0, 1]] }), /node 0 stands in it twice/);
  refused(planInput(digits, alike(2), { batch_size: 0 }), /batch_size must be a whole number/);
  refused(planInput(digits, alike(2), { in_flight: 1.5 }), /in_flight must be a whole number/);
  refused(planInput(digits, []), /no nodes/);
});
