import assert from "node:assert/strict";
import { Random } from "../random.ts";
import { EventQueue } from "./event_queue.ts";
import { Connection, SimulatedLink } from "./link.ts";
import type { LinkTerms } from "./link.ts";

/** 1 byte a ms. */
const BYTE_MBPS = 0.008;

function linkOf(queue: EventQueue, changes: Partial<LinkTerms> = {}): SimulatedLink {
  return new SimulatedLink(queue, {
    bandwidth_mbps: BYTE_MBPS,
    latency_ms: 3,
    credit_bytes: 1 << 20,
    waiting_max: 100,
    spells: [],
    jitter: () => 0,
    ...changes,
  });
}

/** When messages that are sent at time 0 have left and have arrived. */
function times(
  link: SimulatedLink,
  queue: EventQueue,
  sizes: readonly number[],
): { readonly left: number[]; readonly arrived: number[] } {
  const [left, arrived]: number[][] = [[], []];
  for (const bytes of sizes) {
    link.send({
      kind: "forward",
      bytes,
      sent: () => left!.push(queue.now_ms),
      arrived: () => arrived!.push(queue.now_ms),
    });
  }
  queue.run();
  return { left: left!, arrived: arrived! };
}

Deno.test("messages leave one after the other, and arrive by the latency later", () => {
  const queue = new EventQueue();
  const link = linkOf(queue);
  assert.deepEqual(times(link, queue, [10, 0, 5]), { left: [10, 10, 15], arrived: [13, 13, 18] });
  assert.equal(link.busy_ms, 15);
  assert.equal(link.waited_ms, 10 + 10 + 15);
  assert.equal(link.waiting_most, 3);
  assert.equal(link.bytes.get("forward"), 15);
});

Deno.test("jitter delays messages, and never changes their order", () => {
  const random = new Random(3);
  for (let round = 0; round < 20; round++) {
    const queue = new EventQueue();
    const link = linkOf(queue, { jitter: () => 30 * random.uniform() });
    const order: number[] = [];
    for (let i = 0; i < 30; i++) {
      link.send({ kind: "forward", bytes: 1, arrived: () => order.push(i) });
    }
    queue.run();
    assert.deepEqual(order, order.toSorted((a, b) => a - b));
    assert.equal(order.length, 30);
  }
});

Deno.test("a sender waits for credit, and large messages cross in frames", () => {
  const queue = new EventQueue();
  // Frames of 2 bytes; after 4 of them nothing is left until the first comes back, 6 ms later.
  const link = linkOf(queue, { credit_bytes: 8, bandwidth_mbps: 4 * BYTE_MBPS });
  const { left, arrived } = times(link, queue, [16]);
  assert.deepEqual(left, [8.5]);
  assert.deepEqual(arrived, [11.5]);
});

Deno.test("too many messages on a link are refused", () => {
  const queue = new EventQueue();
  const link = linkOf(queue, { waiting_max: 2 });
  const send = () => link.send({ kind: "forward", bytes: 1, arrived: () => {} });
  send();
  send();
  assert.throws(send, /2 messages wait on a link already/);
});

Deno.test("links of one node share its connection in both directions", () => {
  const queue = new EventQueue();
  const own = new Connection(BYTE_MBPS);
  const far = () => new Connection(Infinity);
  const a = linkOf(queue, { over: { from: own, to: far() } });
  const b = linkOf(queue, { over: { from: own, to: far() } });
  const ends: number[] = [];
  for (const link of [a, b]) {
    link.send({ kind: "forward", bytes: 10, arrived: () => ends.push(queue.now_ms) });
  }
  queue.run();
  assert.deepEqual(ends, [13, 23]);
  const into = new Connection(BYTE_MBPS);
  const [c, d] = [0, 1].map(() => linkOf(queue, { over: { from: far(), to: into } }));
  const begin = queue.now_ms;
  for (const link of [c!, d!]) {
    link.send({ kind: "forward", bytes: 10, arrived: () => ends.push(queue.now_ms - begin) });
  }
  queue.run();
  assert.deepEqual(ends.slice(2), [13, 23]);
});

Deno.test("nothing arrives over a link that is cut", () => {
  const queue = new EventQueue();
  const link = linkOf(queue);
  const arrived: number[] = [];
  for (const bytes of [2, 2, 2]) {
    link.send({ kind: "forward", bytes, arrived: () => arrived.push(queue.now_ms) });
  }
  queue.at(6, () => link.cut());
  queue.run();
  assert.deepEqual(arrived, [5]);
});
