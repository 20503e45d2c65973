import assert from "node:assert/strict";
import { begin, close, linked, round, termsOf, valuesOf } from "./averaging_testing.ts";
import type { Values } from "./averaging_testing.ts";

/** Two clusters that are cut differently. */
const CLUSTERS = ["p0 p1, p2 p3 s", "p0 p1 p2 p3 s"];
/** Share of each in the mean. */
const SHARES = [0.25, 0.75];

function all(value: number): Values {
  return valuesOf(() => value);
}

Deno.test("stages that are cut differently get the weighted mean, statistics too", async () => {
  const nodes = linked(CLUSTERS);
  begin(nodes, SHARES);
  for (const { stage, cluster } of nodes) stage.set(all(cluster === 0 ? 1 : 5));
  for (const update of [1, 2]) {
    await round(nodes, update);
    for (const { stage, averaging } of nodes) {
      await averaging.adopt(0);
      for (const [name, value] of stage.values) assert.deepEqual(value, all(4).get(name));
    }
  }
  await close(nodes);
});

Deno.test("weights that have moved on are corrected by what the mean differs", async () => {
  const nodes = linked(CLUSTERS);
  begin(nodes, SHARES, 2);
  for (const { stage, cluster } of nodes) stage.set(all(cluster === 0 ? 1 : 5));
  await round(nodes, 1);
  for (const { stage, cluster } of nodes) stage.set(all(cluster === 0 ? 1.5 : 7));
  for (const { stage, averaging, cluster } of nodes) {
    await averaging.correct(0);
    const moved = all(cluster === 0 ? 1.5 + (4 - 1) : 7 + (4 - 5));
    for (const [name, value] of stage.values) assert.deepEqual(value, moved.get(name));
  }
  await close(nodes);
});

Deno.test("the optimizer's state is averaged where that is asked for", async () => {
  for (const averageOptimizer of [false, true]) {
    const nodes = linked(CLUSTERS, { settings: { averageOptimizer } });
    begin(nodes, SHARES);
    for (const { stage, cluster } of nodes) {
      for (const [slot, state] of stage.state.entries()) {
        for (const value of state.values()) value.fill((slot + 1) * (cluster === 0 ? 1 : 5));
      }
    }
    await round(nodes, 1);
    for (const { stage, averaging, cluster } of nodes) {
      await averaging.adopt(0);
      const mean = averageOptimizer ? 4 : cluster === 0 ? 1 : 5;
      for (const [slot, state] of stage.state.entries()) {
        for (const value of state.values()) assert.ok(value.every((x) => x === (slot + 1) * mean));
      }
    }
    await close(nodes);
  }
});

Deno.test("an average is told: after which update, and what was sent for it", async () => {
  const nodes = linked(CLUSTERS);
  begin(nodes, SHARES);
  for (const update of [7, 9]) {
    await round(nodes, update);
    for (const { averaging } of nodes) await averaging.adopt(0);
  }
  for (const { reports } of nodes) {
    assert.deepEqual(reports.map(({ update }) => update), [7, 9]);
    for (const { ms, waited_ms } of reports) assert.ok(0 <= waited_ms && waited_ms <= ms);
  }
  // Two clusters send half of what they hold on its way, and the other half when it is complete.
  const elements = [...all(0).values()].reduce((sum, { length }) => sum + length, 0);
  for (const cluster of [0, 1]) {
    const own = nodes.filter((node) => node.cluster === cluster).map(({ reports }) => reports[1]!);
    assert.equal(own.reduce((sum, { bytes_raw }) => sum + bytes_raw, 0), elements * 4);
    assert.ok(own.every(({ bytes_raw, bytes_sent }) => bytes_raw === bytes_sent));
  }
  await close(nodes);
});

Deno.test("a cluster that trains by other terms is named, with what differs", async () => {
  const nodes = linked(CLUSTERS);
  const failed: string[] = [];
  for (const { averaging } of nodes) averaging.open();
  try {
    nodes[2]!.averaging.begin(termsOf(1, 0.75));
    await new Promise((resolve) => setTimeout(resolve, 20));
    nodes[0]!.averaging.begin(termsOf(0, 0.25, 3));
  } catch (thrown) {
    failed.push(String(thrown));
  }
  assert.match(failed.join(), /b0 at b0 trains with reduce_delay 0, a0 with 3; use one ravn\.yaml/);
  await Promise.all(nodes.map(({ averaging }) => averaging.fail("over")));
});
