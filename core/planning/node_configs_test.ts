import assert from "node:assert/strict";
import { RavnError } from "../error.ts";
import { parseNodeConfigs } from "./node_configs.ts";

const FILE = "node_data/node_configs.json";

function node(ip: string, more: Record<string, unknown> = {}): Record<string, unknown> {
  return { IP: ip, benchmarks: { ram: 8, bandwidth: 10 }, ...more };
}

const walkthrough = {
  "0": node("0.0.0.0:8080"),
  "1": node("0.0.0.0:8081"),
  "2": node("0.0.0.0:8082"),
};

Deno.test("the walkthrough's file is read", () => {
  const nodes = parseNodeConfigs(JSON.stringify(walkthrough), FILE);
  assert.deepEqual(nodes.map((n) => n.name), ["node_0", "node_1", "node_2"]);
  assert.deepEqual(nodes[1], {
    id: 1,
    name: "node_1",
    address: { host: "0.0.0.0", port: 8081, text: "0.0.0.0:8081" },
    ram_gb: 8,
    bandwidth_mbps: 10,
    speed: 1,
  });
});

Deno.test("speed, names, IPv6 and more than ten nodes are read, in the order of the ids", () => {
  const many = Object.fromEntries(
    Array.from({ length: 12 }, (_, i) => [String(11 - i), node(`[::1]:${100 + 11 - i}`)]),
  );
  many["3"] = {
    ...node("gpu:80"),
    name: "big-one",
    benchmarks: { ram: 0.5, bandwidth: 1e3, speed: 2.5 },
  };
  const nodes = parseNodeConfigs(JSON.stringify(many), FILE);
  assert.deepEqual(nodes.map((n) => n.id), Array.from({ length: 12 }, (_, i) => i));
  assert.equal(nodes[11]!.address.text, "[::1]:111");
  assert.equal(nodes[3]!.name, "big-one");
  assert.equal(nodes[3]!.speed, 2.5);
});

Deno.test("a wrong file is refused, naming file, node and key", () => {
  const withNode = (id: string, value: unknown) => JSON.stringify({ ...walkthrough, [id]: value });
  const benchmarks = (value: unknown) => withNode("1", { IP: "0.0.0.0:1", benchmarks: value });
  const cases: [string, string][] = [
    [
      benchmarks({ ram: "8", bandwidth: 1 }),
      'node 1: benchmarks.ram must be a positive number of GB, got "8"',
    ],
    [
      benchmarks({ ram: 0, bandwidth: 1 }),
      "node 1: benchmarks.ram must be a positive number of GB, got 0",
    ],
    [
      benchmarks({ ram: 1 }),
      "node 1: benchmarks.bandwidth must be a positive number of Mbps, got nothing",
    ],
    [
      benchmarks({ ram: 1, bandwidth: 1, speed: -1 }),
      "node 1: benchmarks.speed must be a positive number, got -1",
    ],
    [
      benchmarks({ rma: 1, bandwidth: 1 }),
      'node 1: benchmarks: unknown key "rma": did you mean "ram"? (known: ram, bandwidth, speed)',
    ],
    [
      benchmarks(3),
      'node 1: benchmarks must be an object with "ram" (GB) and "bandwidth" (Mbps), got 3',
    ],
    [
      withNode("1", node("0.0.0.0")),
      'node 1: IP must be "host:port" with a port of 1 to 65535 (IPv6 as "[host]:port"), ' +
      'got "0.0.0.0"',
    ],
    [
      withNode("1", { ...node("h:1"), Name: "x" }),
      'node 1: unknown key "Name": did you mean "name"? (known: IP, ' +
      "benchmarks, name, probe, links)",
    ],
    [
      withNode("1", node("h:1", { name: "a/b" })),
      'node 1: name must be up to 64 letters, digits, "_", "-" or ".", got "a/b"',
    ],
    [withNode("1", [1]), 'node 1 must be an object with "IP" and "benchmarks", got [1]'],
    [
      withNode("2", node("0.0.0.0:8080")),
      'node 2: IP "0.0.0.0:8080" is already that of node 0: every node needs its own',
    ],
    [
      withNode("2", node("h:1", { name: "node_0" })),
      'node 2: name "node_0" is already that of node 0: every node needs its own',
    ],
    [
      withNode("4", node("h:1")),
      'node 3 is missing: 4 nodes must have the ids "0" to "3", got "0", "1", "2", "4"',
    ],
    [withNode("01", node("h:1")), 'key "01" is not a node id: expected "0", "1", "2" and so on'],
    ["{}", 'no nodes: expected at least node "0" with "IP" and "benchmarks"'],
    ["[]", 'expected an object of nodes "0", "1", …, got []'],
    ['{"0": {\n"IP": }}', 'line 2, column 7: not valid JSON: expected a value, got "}"'],
  ];
  for (const [text, message] of cases) {
    assert.throws(() => parseNodeConfigs(text, FILE), (thrown) => {
      assert.ok(thrown instanceof RavnError);
      assert.equal(thrown.message, `${FILE}: ${message}`);
      return true;
    });
  }
});

Deno.test("one host in two spellings is one address", () => {
  const text = JSON.stringify({ "0": node("[::1]:80"), "1": node("[0:0:0:0:0:0:0:1]:80") });
  assert.throws(
    () => parseNodeConfigs(text, FILE),
    /node 1: IP "\[::1\]:80" is already that of node 0/,
  );
});

Deno.test("what was measured counts instead of benchmarks; nodes of one machine share it", () => {
  const text = JSON.stringify({
    "0": node("localhost:1", { probe: { memory_mb: 3072, cores: 4, speed: 1.5 } }),
    "1": node("127.0.0.1:2", {
      name: "b",
      probe: {
        memory_mb: 64 * 1024,
        times: { "Relu()": { forward_ms: 1, backward_ms: 0 } },
        measured_at: "2026-01-31T12:00:00Z",
      },
      links: { node_0: { bandwidth_mbps: 900, latency_ms: 0.1 } },
    }),
    "2": node("far:3", {
      links: {
        "0": { bandwidth_mbps: 5, latency_ms: 30 },
        b: { bandwidth_mbps: 6, latency_ms: 9 },
      },
    }),
  });
  const [first, second, third] = parseNodeConfigs(text, FILE);
  assert.deepEqual([first!.ram_gb, first!.speed, second!.ram_gb, second!.speed], [1.5, 1.5, 8, 1]);
  assert.equal(first!.probe!.cores, 4);
  assert.deepEqual([...second!.links!], [[0, { bandwidth_mbps: 900, latency_ms: 0.1 }]]);
  assert.deepEqual([...third!.links!.keys()], [0, 1]);
});

Deno.test("files that contradict themselves are refused, naming file, node and key", () => {
  const link = (mbps: number, ms = 1) => ({ bandwidth_mbps: mbps, latency_ms: ms });
  const second = (more: Record<string, unknown>) =>
    JSON.stringify({ "0": node("a:1"), "1": node("b:1", more) });
  const cases: [string, string][] = [
    [
      JSON.stringify({ "0": node("localhost:80"), "1": node("127.0.0.1:80") }),
      'node 1: IP "127.0.0.1:80" is the machine and port of node 0 ("localhost:80"): ' +
      "every node needs its own port",
    ],
    [
      second({ links: { node_7: link(1) } }),
      'node 1: links.node_7: there is no such node: did you mean "node_0"?',
    ],
    [second({ links: { node_1: link(1) } }), "node 1: links.node_1: a node has no link to itself"],
    [
      second({ links: { "0": link(10), node_0: link(20) } }),
      "node 1: links.node_0: the link to node 0 is given twice, with other values: " +
      '{"bandwidth_mbps":10,"latency_ms":1} and {"bandwidth_mbps":20,"latency_ms":1}: keep one',
    ],
    [
      second({ links: { node_0: link(-1) } }),
      "node 1: links.node_0.bandwidth_mbps must be a positive number of Mbps, got -1",
    ],
    [
      second({ links: { node_0: link(1, -2) } }),
      "node 1: links.node_0.latency_ms must be a number of ms, 0 or more, got -2",
    ],
    [
      second({ links: { node_0: { ...link(1), latency: 2 } } }),
      'node 1: links.node_0: unknown key "latency": did you mean "latency_ms"? ' +
      "(known: bandwidth_mbps, latency_ms)",
    ],
    [
      second({ links: [] }),
      'node 1: links must be an object of other nodes, each with "bandwidth_mbps" and ' +
      '"latency_ms", got []',
    ],
    [
      second({ probe: { cores: -2 } }),
      "node 1: probe.cores must be a positive number, got -2",
    ],
    [
      second({ probe: { memory_mb: "8" } }),
      'node 1: probe.memory_mb must be a positive number of MB, got "8"',
    ],
    [
      second({ probe: { measured_at: "today" } }),
      'node 1: probe.measured_at must be a time like "2026-01-31T12:00:00Z", got "today"',
    ],
    [
      second({ probe: { times: { x: { forward_ms: -1, backward_ms: 0 } } } }),
      "node 1: probe.times.x.forward_ms must be a number of ms, 0 or more, got -1",
    ],
  ];
  for (const [text, message] of cases) {
    assert.throws(() => parseNodeConfigs(text, FILE), (thrown) => {
      assert.ok(thrown instanceof RavnError);
      assert.equal(thrown.message, `${FILE}: ${message}`);
      return true;
    });
  }
});
