import assert from "node:assert/strict";
import { RavnError } from "../core/error.ts";
import type { Closed } from "./link.ts";
import { linksOver, memoryLinks } from "./memory.ts";
import type { Control, TensorInfo } from "./message.ts";
import { pipe } from "./pipe.ts";
import { type Event, headFor, pattern, Recorder } from "./recorder.ts";

const A = { nodeId: "node_0", address: "0.0.0.0:8080" };
const B = { nodeId: "node_1", address: "0.0.0.0:8081" };

const X: TensorInfo = { name: "x", dtype: "float32", dims: [4, 5] };
const FLAGS: TensorInfo = { name: "flags", dtype: "bool", dims: [13] };
const BIG: TensorInfo = { name: "big", dtype: "float32", dims: [100_003] };
const NONE: TensorInfo = { name: "none", dtype: "int64", dims: [0, 7] };

function control(text: string): Control {
  return { kind: "progress", step: 1, epoch: 2, values: [0.5, -1e300, NaN], text };
}

function dataOf(event: Event | undefined): readonly Uint8Array[] {
  assert.ok(event && "data" in event);
  return event.data;
}

Deno.test("tensors and control messages arrive whole and in order", async () => {
  const [a, b] = memoryLinks(A, B);
  const got = new Recorder();
  b.start(got);
  const big = pattern(400_012, 3);
  await a.send(headFor([X, FLAGS]), [pattern(80), pattern(13, 2)]);
  await a.control(control("between ⚙"));
  await a.send(headFor([BIG, NONE], { kind: "backward", microBatch: 2 ** 40 }), [
    big,
    new Uint8Array(0),
  ]);
  await a.send(headFor([]), []);
  await got.until(4);
  const [first, second, third, fourth] = got.events;
  assert.deepEqual(first, { head: headFor([X, FLAGS]), data: [pattern(80), pattern(13, 2)] });
  assert.deepEqual(second, { control: control("between ⚙") });
  assert.ok(third && "head" in third && third.head.microBatch === 2 ** 40);
  assert.equal(third.head.kind, "backward");
  assert.deepEqual(dataOf(third)[0], big);
  assert.deepEqual(dataOf(third)[1], new Uint8Array(0));
  assert.deepEqual(fourth, { head: headFor([]), data: [] });
  assert.equal(b.traffic.frames_received, 4);
  assert.equal(a.traffic.frames_sent, 4);
  await a.close({ reason: "finished" });
  assert.deepEqual(await a.closed, { kind: "bye", reason: "finished" });
  assert.deepEqual(await b.closed, { kind: "bye", reason: "finished" });
  assert.equal(b.traffic.bytes_received, a.traffic.bytes_sent);
});

Deno.test("a link carries both directions at once, many frames deep", async () => {
  const [a, b] = memoryLinks(A, B);
  const [atA, atB] = [new Recorder(), new Recorder()];
  a.start(atA);
  b.start(atB);
  const sends: Promise<void>[] = [];
  for (let i = 0; i < 200; i++) {
    const info = i % 3 === 0 ? BIG : X;
    const bytes = pattern(info === BIG ? 400_012 : 80, i + 1);
    sends.push(a.send(headFor([info], { microBatch: i }), [bytes]));
    sends.push(b.send(headFor([info], { microBatch: i, kind: "backward" }), [bytes]));
  }
  await Promise.all([...sends, atA.until(200), atB.until(200)]);
  for (const { events } of [atA, atB]) {
    for (const [i, event] of events.entries()) {
      assert.ok("head" in event && event.head.microBatch === i);
      assert.deepEqual(event.data[0], pattern(i % 3 === 0 ? 400_012 : 80, i + 1));
    }
  }
  await Promise.all([a.close(), b.close()]);
});

Deno.test("a tensor larger than a frame arrives in pieces, once", async () => {
  const limits = { credit_bytes: 16 << 10 };
  const [a, b] = memoryLinks(A, B, limits);
  const got = new Recorder();
  b.start(got);
  const tensors: TensorInfo[] = [
    X,
    NONE,
    { name: "w", dtype: "uint8", dims: [50_001] },
    FLAGS,
    { name: "v", dtype: "float64", dims: [3000] },
  ];
  const data = [80, 0, 50_001, 13, 24_000].map((length, i) => pattern(length, i + 1));
  await a.send(headFor(tensors, { kind: "weights" }), data);
  await a.send(headFor([X]), [data[0]!]);
  await got.until(2);
  assert.deepEqual(got.events[0], { head: headFor(tensors, { kind: "weights" }), data });
  assert.ok(a.traffic.frames_sent > 15);
  await a.close();
});

Deno.test("sends wait for credit until the peer takes tensors", async () => {
  const [a, b] = memoryLinks(A, B, { credit_bytes: 64 << 10 });
  const info: TensorInfo = { name: "x", dtype: "uint8", dims: [10_000] };
  let sent = 0;
  const sends = Array.from(
    { length: 30 },
    (_, i) => a.send(headFor([info], { microBatch: i }), [pattern(10_000, i)]).then(() => sent++),
  );
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.ok(sent >= 4 && sent <= 6, `${sent} of 10,000 bytes within 64 KiB of credit`);
  const got = new Recorder();
  b.start(got);
  await Promise.all([...sends, got.until(30)]);
  assert.equal(sent, 30);
  await b.close();
});

Deno.test("the queue of a link is bounded", async () => {
  const [a, b] = memoryLinks(A, B, { queue: 3, credit_bytes: 1000 });
  const info: TensorInfo = { name: "x", dtype: "uint8", dims: [200] };
  const sends = Array.from({ length: 20 }, () => a.send(headFor([info]), [pattern(200)]));
  const results = await Promise.race([
    Promise.allSettled(sends.slice(-3)),
    new Promise<never>((_, reject) => setTimeout(() => reject(new Error("no bound")), 1000)),
  ]);
  for (const result of results) {
    assert.ok(result.status === "rejected");
    assert.match(String(result.reason), /messages wait already/);
  }
  b.start(new Recorder());
  await Promise.allSettled(sends);
  await a.close();
});

Deno.test("what the receiver refuses fails the link on both sides", async () => {
  const [a, b] = memoryLinks(A, B);
  b.start({
    place: () => {
      throw new RavnError("micro-batch 7 was not expected");
    },
    arrived: () => assert.fail(),
    control: () => assert.fail(),
  });
  await a.send(headFor([BIG]), [pattern(400_012)]);
  const here = await a.closed;
  assert.ok(here.kind === "failed" && here.by === "peer");
  assert.equal(
    here.error.message,
    "node_1 at 0.0.0.0:8081 failed: micro-batch 7 was not expected",
  );
  const there = await b.closed;
  assert.ok(there.kind === "failed" && there.by === "self");
  assert.equal(there.message, "micro-batch 7 was not expected");
  await assert.rejects(a.send(headFor([X]), [pattern(80)]), /node_1 at 0.0.0.0:8081 failed/);
});

Deno.test("places of the wrong size are refused", async () => {
  const [a, b] = memoryLinks(A, B);
  b.start({ place: () => [new Uint8Array(79)], arrived: () => {}, control: () => {} });
  await a.send(headFor([X]), [pattern(80)]);
  const closed = await b.closed;
  assert.ok(closed.kind === "failed");
  assert.match(closed.message, /a place of 79 bytes for forward tensor x of float32 \[4,5\]/);
  await a.closed;
});

Deno.test("fail overtakes what waits, and a not yet started peer hears of it", async () => {
  const [a, b] = memoryLinks(A, B, { credit_bytes: 4096 });
  const info: TensorInfo = { name: "x", dtype: "uint8", dims: [900] };
  const sends = Array.from({ length: 10 }, () => a.send(headFor([info]), [pattern(900)]));
  await new Promise((resolve) => setTimeout(resolve, 5));
  const failing = a.fail("loss is NaN at step 12\nand so on");
  const results = await Promise.allSettled(sends);
  assert.ok(results.some(({ status }) => status === "rejected"));
  b.start(new Recorder());
  const closed = await b.closed;
  assert.ok(closed.kind === "failed" && closed.by === "peer");
  assert.equal(closed.message, "loss is NaN at step 12 and so on");
  await failing;
});

Deno.test("close sends what waits first", async () => {
  const [a, b] = memoryLinks(A, B, { credit_bytes: 64 << 10 });
  const got = new Recorder();
  b.start(got);
  for (let i = 0; i < 50; i++) void a.send(headFor([X], { microBatch: i }), [pattern(80)]);
  await a.close({ reason: "done" });
  assert.equal(got.events.length, 50);
  await assert.rejects(a.control(control("late")), /is closed: done/);
  await assert.rejects(b.send(headFor([X]), [pattern(80)]), /is closed: done/);
});

Deno.test("a close that is cut short is none", async () => {
  const [there, here] = pipe();
  const [a] = linksOver(there, { ...here, read: () => new Promise(() => {}) }, A, B, {
    credit_bytes: 4096,
  });
  const info: TensorInfo = { name: "x", dtype: "uint8", dims: [900] };
  const sends = Array.from({ length: 10 }, () => a.send(headFor([info]), [pattern(900)]));
  const closing = a.close();
  here.close();
  await closing;
  assert.equal((await a.closed).kind, "lost");
  const results = await Promise.allSettled(sends);
  assert.equal(results.at(-1)!.status, "rejected");
});

Deno.test("a peer that fails over what came before the goodbye is heard", async () => {
  const [a, b] = memoryLinks(A, B);
  const sent = a.send(headFor([X]), [pattern(80)]);
  const closing = a.close();
  b.start({
    place: () => [new Uint8Array(80)],
    arrived: () => {
      throw new RavnError("the disk is full");
    },
    control: () => {},
  });
  await Promise.all([sent, closing]);
  const closed = await a.closed;
  assert.ok(closed.kind === "failed" && closed.by === "peer");
  assert.equal(closed.message, "the disk is full");
  await b.closed;
});

Deno.test("sends that do not fit their head are refused, and the link goes on", async () => {
  const [a, b] = memoryLinks(A, B);
  const got = new Recorder();
  b.start(got);
  const bad: [Parameters<typeof a.send>, RegExp][] = [
    [[headFor([X]), [pattern(79)]], /its buffer has 79 bytes, 80 were expected/],
    [[headFor([X]), []], /1 tensors with 0 buffers/],
    [[headFor([{ ...X, dtype: "string" }]), [pattern(0)]], /elements of type string stay home/],
    [[headFor([{ ...X, dims: [1, 1, 1, 1, 1, 1, 1, 4, 5] }]), [pattern(80)]], /of rank 9/],
    [[headFor([{ ...X, dims: [-1] }]), [pattern(80)]], /of shape \[-1\]/],
    [[headFor([X], { step: 0.5 }), [pattern(80)]], /must be integers/],
    [[headFor(Array.from({ length: 33 }, () => X)), []], /33 tensors at once/],
  ];
  for (const [[head, data], message] of bad) await assert.rejects(a.send(head, data), message);
  await assert.rejects(a.control(control("a".repeat(5000))), /5000 letters/);
  await a.send(headFor([X]), [pattern(80)]);
  await got.until(1);
  await a.close();
});

Deno.test("a peer that closes without goodbye is lost at once", async () => {
  const [there, here] = pipe();
  const [a, b] = linksOver(there, here, A, B);
  there.close();
  const closed = await b.closed;
  assert.ok(closed.kind === "lost");
  assert.equal(
    closed.error.message,
    "node_1 lost node_0 at 0.0.0.0:8080: it closed the connection; see what node_0 printed last",
  );
  assert.equal((await a.closed).kind, "lost");
});

Deno.test("a peer that is silent is lost; one that is idle is not", async () => {
  const limits = { ping_ms: 20, silence_ms: 120 };
  const [there, here] = pipe();
  const silent = linksOver(
    there,
    { ...here, write: (b) => Promise.resolve(b.length) },
    A,
    B,
    limits,
  );
  const idle = memoryLinks(A, B, limits);
  const start = performance.now();
  const closed = await silent[0].closed;
  const after = performance.now() - start;
  assert.ok(closed.kind === "lost");
  assert.match(closed.error.message, /node_0 lost node_1 .*nothing was heard from it for 0.12 s/);
  assert.ok(after >= 110 && after < 1000, `${after} ms`);
  const state = await Promise.race([idle[0].closed, Promise.resolve("open")]);
  assert.equal(state, "open");
  await idle[0].close();
  await silent[1].closed;
});

Deno.test("being busy oneself is not held against the peer", async () => {
  const [a, b] = memoryLinks(A, B, { ping_ms: 20, silence_ms: 100 });
  for (let i = 0; i < 3; i++) {
    await new Promise((resolve) => setTimeout(resolve, 15));
    for (const end = performance.now() + 150; performance.now() < end;);
  }
  const state = await Promise.race([a.closed, b.closed, Promise.resolve("open")]);
  assert.equal(state, "open");
  await a.close();
});

Deno.test("a peer that does not take what is sent ends the link", async () => {
  const limits = { ping_ms: 10, silence_ms: 5000, send_ms: 100, credit_bytes: 4096, close_ms: 50 };
  const [a, b] = memoryLinks(A, B, limits);
  const info: TensorInfo = { name: "x", dtype: "uint8", dims: [900] };
  const sends = Array.from({ length: 10 }, () => a.send(headFor([info]), [pattern(900)]));
  const results = await Promise.allSettled(sends);
  assert.ok(results.some((each) => each.status === "rejected" && /took nothing/.test(each.reason)));
  const closed: Closed = await a.closed;
  assert.ok(closed.kind === "lost");
  assert.match(closed.error.message, /node_0 lost node_1 .*it took nothing for 0.1 s/);
  await b.close();
});
