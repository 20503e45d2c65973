import assert from "node:assert/strict";
import { memoryLinks } from "../../transport/mod.ts";
import type { Link } from "../../transport/mod.ts";
import { Echo } from "./link_echo.ts";
import { ProbeLink } from "./probe_link.ts";
import { Turn } from "./turn.ts";

const MACHINE = {
  cores: 2,
  memory_mb: 100,
  operators_ms: 1.5,
  measured_at: "2026-01-31T12:00:00Z",
};

async function pair(): Promise<[Link, Link]> {
  const [a, b] = await memoryLinks(
    { nodeId: "node_0", address: "127.0.0.1:1" },
    { nodeId: "node_1", address: "127.0.0.1:2" },
  );
  return [a, b];
}

Deno.test("both ends know the link, from either side", async () => {
  const [a, b] = await pair();
  const [one, other] = [new ProbeLink(a, new Turn()), new ProbeLink(b, new Turn())];
  const [there, back] = await Promise.all([one.measure(), other.measured]);
  assert.ok(there.out_mbps > 0 && there.in_mbps > 0 && there.latency_ms > 0);
  assert.deepEqual(back, {
    latency_ms: there.latency_ms,
    out_mbps: there.in_mbps,
    in_mbps: there.out_mbps,
  });
  const ways = new Map([[1, { mbps: 12.5, latency_ms: 0.25 }]]);
  await one.send({ machine: MACHINE, ways });
  assert.deepEqual(await other.report, { machine: MACHINE, ways });
  await Promise.all([a.close(), b.close()]);
  await assert.rejects(one.report, /node_1 at 127.0.0.1:2 left/);
});

Deno.test("a node is measured once at a time", async () => {
  const turn = new Turn();
  const release = await turn.take();
  const [a, b] = await pair();
  const one = new ProbeLink(a, new Turn());
  new ProbeLink(b, turn);
  let isDone = false;
  const measured = one.measure().then(() => isDone = true);
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.equal(isDone, false);
  release();
  await measured;
  // The turn comes back.
  (await turn.take())();
  await Promise.all([a.close(), b.close()]);
});

Deno.test("a peer that does something else is told so", async () => {
  const [a, b] = await pair();
  const one = new ProbeLink(a, new Turn());
  new Echo(b);
  await b.control({ kind: "begin", step: 0, epoch: 0, values: [], text: "" });
  const closed = await a.closed;
  assert.equal(closed.kind, "failed");
  await assert.rejects(one.measured, /node_1 at 127.0.0.1:2 sent "begin".*ravn probe/);
});

Deno.test("a report that is none is refused", async () => {
  for (const [values, text] of [[[1, -1, 0], "{}"], [[], "{"], [[], "{}"]] as const) {
    const [a, b] = await pair();
    const one = new ProbeLink(a, new Turn());
    new Echo(b);
    await b.control({ kind: "saved", step: 0, epoch: 0, values, text });
    await assert.rejects(one.report, /node_1 at 127.0.0.1:2 sent a report/);
    await a.closed;
  }
});

Deno.test("a peer cannot ask for more bytes than are allowed", async () => {
  const [a, b] = await pair();
  new Echo(a);
  const head = {
    kind: "weights",
    microBatch: 0,
    step: 0,
    weightVersion: 0,
    samples: 2 ** 31,
    tensors: [{ name: "echo", dtype: "uint8", dims: [1] }],
  } as const;
  new Echo(b);
  await b.send(head, [new Uint8Array(1)]);
  const closed = await b.closed;
  assert.match(
    closed.kind === "failed" ? closed.message : closed.kind,
    /expected bytes to be sent/,
  );
});
