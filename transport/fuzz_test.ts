import assert from "node:assert/strict";
import { byteCount } from "../core/onnx/tensor.ts";
import { corpus, dice, mutate, tensorFrame } from "./corpus.ts";
import type { Body } from "./decode.ts";
import { FrameReader } from "./frame_reader.ts";
import { FrameWriter } from "./frame_writer.ts";
import { type Limits, limitsWith } from "./limits.ts";
import { PeerLink } from "./peer_link.ts";
import { pipe } from "./pipe.ts";
import { ProtocolError } from "./protocol_error.ts";
import { ConnectionEnded, type RawConn } from "./raw_conn.ts";
import { Recorder } from "./recorder.ts";

/** `RAVN_FUZZ=1000000 deno test -A transport/fuzz_test.ts` tries harder, from the same seed on. */
const CASES = Number(Deno.env.get("RAVN_FUZZ") ?? 20_000);

const LIMITS = limitsWith({ head_bytes: 8 << 10, segment_bytes: 1 << 20, frame_bytes: 2 << 20 });

/** A connection that delivers `bytes` in portions and ends. */
function source(bytes: Uint8Array, portion: number): RawConn {
  let at = 0;
  return {
    read: (target) => {
      if (at >= bytes.length) return Promise.resolve(null);
      const count = Math.min(portion, target.length, bytes.length - at);
      target.set(bytes.subarray(at, at + count));
      at += count;
      return Promise.resolve(count);
    },
    write: (bytes) => Promise.resolve(bytes.length),
    close: () => {},
  };
}

/** What every frame that is let in must be like, whoever made it. */
function checkBody(body: Body, limits: Limits): void {
  if (body.member === "control") {
    assert.ok(body.control.text.length <= limits.text_bytes);
    assert.ok(body.control.values.length <= limits.values);
  }
  if (body.member !== "tensors") return;
  const { head, pieces } = body.tensors;
  assert.ok(head.tensors.length <= limits.tensors && head.tensors.length === pieces.length);
  for (const [i, { dtype, dims, name }] of head.tensors.entries()) {
    const { offset, byteLength } = pieces[i]!;
    assert.ok(dims.length <= limits.rank && name.length <= limits.text_bytes);
    assert.ok(offset >= 0 && offset + byteLength <= byteCount(dtype, dims));
    assert.ok(byteLength <= limits.segment_bytes);
  }
  assert.ok([head.microBatch, head.step, head.weightVersion].every(Number.isSafeInteger));
}

/** Reads all frames of `bytes`; returns how many were let in. Throws only what a link expects. */
async function readAll(bytes: Uint8Array, portion: number): Promise<number> {
  const reader = new FrameReader(source(bytes, portion), LIMITS, 16 << 10);
  let frames = 0;
  try {
    for (let frame = await reader.next(); frame !== null; frame = await reader.next()) {
      checkBody(frame.body, LIMITS);
      await reader.drop(frame.size.payloadBytes);
      frames++;
    }
  } catch (error) {
    if (!(error instanceof ProtocolError || error instanceof ConnectionEnded)) throw error;
  }
  return frames;
}

Deno.test("all frames of the corpus are let in, alone and behind one another", async () => {
  for (const frame of corpus()) assert.equal(await readAll(frame, 4096), 1);
  const stream = [0, 1, 2].flatMap((seq) => [
    ...tensorFrame(seq, [{ name: "x", dtype: "float32", dims: [5, 3] }]),
  ]);
  for (const portion of [1, 3, 64, 4096]) {
    assert.equal(await readAll(new Uint8Array(stream), portion), 3);
  }
});

Deno.test(`${CASES} broken frames do no harm`, async () => {
  const frames = corpus();
  const roll = dice(20_240_917);
  const before = Deno.memoryUsage().rss;
  let letIn = 0;
  let slowest_ms = 0;
  for (let i = 0; i < CASES; i++) {
    const bytes = mutate(frames[roll(frames.length)]!, frames, roll);
    const start_ms = performance.now();
    try {
      letIn += await readAll(bytes, 1 + roll(4096));
    } catch (error) {
      throw new Error(`case ${i}: ${bytes.toHex()}`, { cause: error });
    }
    slowest_ms = Math.max(slowest_ms, performance.now() - start_ms);
  }
  const grown = Deno.memoryUsage().rss - before;
  assert.ok(letIn > 0 && letIn < CASES, `${letIn} of ${CASES} let in`);
  assert.ok(slowest_ms < 1000, `${slowest_ms} ms for one frame`);
  assert.ok(grown < 256 << 20, `${grown} bytes more than before`);
});

Deno.test("a frame that broke after good ones is not taken for one of them", async () => {
  // The good ones fill the cache of heads, so that the broken ones meet it.
  const infos = [{ name: "x", dtype: "float32", dims: [5, 3] }] as const;
  const others = corpus().slice(0, 3);
  const good = tensorFrame(0, infos);
  const next = tensorFrame(1, infos);
  const roll = dice(7);
  for (let i = 0; i < Math.min(CASES, 5000); i++) {
    const broken = mutate(next, others, roll);
    const stream = new Uint8Array([...good, ...broken]);
    assert.ok(await readAll(stream, 1 + roll(512)) >= 1);
  }
});

Deno.test("a link survives whatever its peer writes, and ends", async () => {
  const frames = corpus();
  const roll = dice(3);
  const limits = { ...LIMITS, close_ms: 100 };
  for (let i = 0; i < 300; i++) {
    const [conn, rogue] = pipe(1 << 24);
    const link = new PeerLink({
      conn,
      self: { nodeId: "node_0", address: "a:1" },
      peer: { nodeId: "node_1", address: "b:2" },
      limits,
      via: "memory",
      reader: new FrameReader(conn, limits, 16 << 10),
      writer: new FrameWriter(conn),
      credit: limits.credit_bytes,
      seq: 0,
    });
    link.start(new Recorder());
    const bytes = mutate(frames[roll(frames.length)]!, frames, roll);
    if (bytes.length > 0) await rogue.write(bytes);
    rogue.close();
    const { kind } = await link.closed;
    assert.ok(kind === "lost" || kind === "failed" || kind === "bye");
  }
});
