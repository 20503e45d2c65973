import assert from "node:assert/strict";
import { tensorFrame } from "./corpus.ts";
import { FrameReader } from "./frame_reader.ts";
import { FrameWriter } from "./frame_writer.ts";
import { LIMITS } from "./limits.ts";
import { Outbox } from "./outbox.ts";
import type { RawConn } from "./raw_conn.ts";
import { headFor, pattern } from "./recorder.ts";

const FRAME = { name: "x", dtype: "uint8", dims: [1 << 20] } as const;

/** A connection that takes everything at once and keeps the very arrays that were written. */
function sink(): { conn: RawConn; writes: Uint8Array[] } {
  const writes: Uint8Array[] = [];
  const conn: RawConn = {
    read: () => new Promise(() => {}),
    write: (source) => {
      writes.push(source);
      return Promise.resolve(source.length);
    },
    close: () => {},
  };
  return { conn, writes };
}

function outboxOver(conn: RawConn): Outbox {
  const onBroken = (cause: unknown) => assert.fail(String(cause));
  return new Outbox({
    writer: new FrameWriter(conn),
    limits: LIMITS,
    credit: LIMITS.credit_bytes,
    seq: 0,
    onBroken,
  });
}

Deno.test("a large tensor is written from its own memory, in two calls", async () => {
  const { conn, writes } = sink();
  const outbox = outboxOver(conn);
  const bytes = pattern(1 << 20);
  await outbox.send(headFor([FRAME]), [bytes]);
  assert.equal(writes.length, 2);
  assert.equal(writes[0]!.length, 4096);
  assert.equal(writes[1]!.buffer, bytes.buffer);
  assert.equal(writes[1]!.byteOffset + writes[1]!.length, bytes.length);
});

Deno.test("small messages that wait together go out in one call", async () => {
  const { conn, writes } = sink();
  const outbox = outboxOver(conn);
  const small = { name: "x", dtype: "uint8", dims: [100] } as const;
  const first = outbox.send(headFor([small]), [pattern(100)]);
  const rest = Array.from({ length: 50 }, () => outbox.send(headFor([small]), [pattern(100)]));
  await Promise.all([first, ...rest]);
  await Promise.resolve();
  assert.ok(writes.length <= 2, `${writes.length} writes for 51 messages`);
});

Deno.test("a large tensor is read into its place; at most 4 KiB of it are copied", async () => {
  const frames = [0, 1, 2, 3].map((seq) => tensorFrame(seq, [FRAME]));
  const stream = new Uint8Array(frames.flatMap((frame) => [...frame]));
  const targets: { buffer: ArrayBufferLike; count: number }[] = [];
  let at = 0;
  const conn: RawConn = {
    read: (target) => {
      if (at === stream.length) return Promise.resolve(null);
      const count = Math.min(target.length, stream.length - at, 300_000);
      target.set(stream.subarray(at, at + count));
      at += count;
      targets.push({ buffer: target.buffer, count });
      return Promise.resolve(count);
    },
    write: (source) => Promise.resolve(source.length),
    close: () => {},
  };
  const reader = new FrameReader(conn, LIMITS);
  const place = new Uint8Array(1 << 20);
  for (let i = 0; i < 4; i++) {
    // Reads ahead of the first frame may be large, since it is not yet known how large frames are.
    if (i === 1) targets.length = 0;
    assert.ok(await reader.next());
    await reader.into(place);
    assert.deepEqual(place, pattern(1 << 20));
  }
  const elsewhere = targets.filter(({ buffer }) => buffer !== place.buffer);
  assert.ok(elsewhere.every(({ count }) => count <= 4096 + 8), "staged more than a head");
  assert.equal(await reader.next(), null);
});
