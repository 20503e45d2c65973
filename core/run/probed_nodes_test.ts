import assert from "node:assert/strict";
import { RavnError } from "../error.ts";
import { parseNodeConfigs } from "../planning/mod.ts";
import { withProbes } from "./probed_nodes.ts";

const TEXT = JSON.stringify({
  0: { IP: "10.0.0.1:1", benchmarks: { ram: 8, bandwidth: 10 } },
  1: {
    IP: "10.0.0.2:1",
    name: "second",
    benchmarks: { ram: 8, bandwidth: 10, speed: 3 },
    links: { 0: { bandwidth_mbps: 1, latency_ms: 1 } },
  },
});
const LINK = { bandwidth_mbps: 123.456, latency_ms: 0.123456 };

Deno.test("what was measured stands beside everything else", () => {
  const probe = { cores: 4, memory_mb: 1000, speed: 1 / 3, measured_at: "2026-01-31T12:00:00Z" };
  const text = withProbes(TEXT, "n.json", new Map([[0, { probe, links: new Map([[1, LINK]]) }]]));
  const [first, second] = parseNodeConfigs(text, "n.json");
  assert.equal(first!.speed, 0.3333);
  assert.deepEqual([...first!.links!], [[1, { bandwidth_mbps: 123.5, latency_ms: 0.1235 }]]);
  const value = JSON.parse(text);
  assert.deepEqual(value[1], JSON.parse(TEXT)[1]);
  assert.deepEqual(value[0].benchmarks, JSON.parse(TEXT)[0].benchmarks);
  assert.equal(second!.speed, 3);
});

Deno.test("a link that stands there by name is replaced, not doubled", () => {
  const named = JSON.parse(TEXT);
  named[0].links = { second: { bandwidth_mbps: 5, latency_ms: 5 } };
  const probed = new Map([[0, { probe: {}, links: new Map([[1, LINK]]) }]]);
  const text = withProbes(JSON.stringify(named), "n.json", probed);
  assert.deepEqual(Object.keys(JSON.parse(text)[0].links), ["1"]);
});

Deno.test("links that were not measured now stay; unknown nodes are left alone", () => {
  const probed = new Map([
    [1, { probe: {}, links: new Map() }],
    [9, { probe: {}, links: new Map() }],
  ]);
  const value = JSON.parse(withProbes(TEXT, "n.json", probed));
  assert.deepEqual(value[1].links, { 0: { bandwidth_mbps: 1, latency_ms: 1 } });
  assert.deepEqual(Object.keys(value), ["0", "1"]);
});

Deno.test("a wrong node file is named, and nothing comes of it", () => {
  const wrong = TEXT.replace("10.0.0.1:1", "nowhere");
  assert.throws(
    () => withProbes(wrong, "n.json", new Map()),
    (thrown) => thrown instanceof RavnError && /^n\.json: node 0/.test(thrown.message),
  );
});
