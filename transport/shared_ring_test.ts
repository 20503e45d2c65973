import assert from "node:assert/strict";
import { ProtocolError } from "./protocol_error.ts";
import { pattern } from "./recorder.ts";
import { RING_BYTES, SharedRing } from "./shared_ring.ts";

/** The two ends of a ring, and its memory. */
function ends(): { writer: SharedRing; reader: SharedRing; memory: Uint8Array<ArrayBuffer> } {
  const memory = new Uint8Array(RING_BYTES);
  return { writer: new SharedRing(memory), reader: new SharedRing(memory), memory };
}

Deno.test("bytes come out of a ring as they went in, around its end and again", () => {
  const { writer, reader } = ends();
  const sent = pattern(5_000_000);
  const received = new Uint8Array(sent.length);
  const steps = [1, 70_001, 1 << 20, 3, 400_000];
  let [written, read] = [0, 0];
  for (let i = 0; read < sent.length; i++) {
    written += writer.write(sent.subarray(written, written + steps[i % 5]!));
    read += reader.read(received.subarray(read, read + steps[(i + 2) % 5]!));
  }
  assert.deepEqual(received, sent);
  assert.equal(reader.read(new Uint8Array(1)), 0);
});

Deno.test("a full ring takes nothing, an empty one gives nothing, and each wakes the other", () => {
  const { writer, reader } = ends();
  assert.equal(reader.readerWaits(), true);
  assert.equal(writer.write(new Uint8Array(2 ** 22)), 2 ** 20);
  assert.deepEqual([writer.readerWaited(), writer.readerWaited()], [true, false]);
  assert.equal(reader.readerWaits(), false);
  assert.equal(writer.write(new Uint8Array(1)), 0);
  assert.equal(writer.writerWaits(), true);
  assert.equal(reader.read(new Uint8Array(8)), 8);
  assert.equal(reader.writerWaited(), true);
  assert.equal(writer.writerWaits(), false);
});

Deno.test("the counters run past 2^32", () => {
  const { writer, reader, memory } = ends();
  const counters = new Int32Array(memory.buffer, 0, 64);
  counters[0] = counters[16] = -5;
  const sent = pattern(11);
  const received = new Uint8Array(11);
  assert.equal(writer.write(sent), 11);
  assert.equal(reader.read(received), 11);
  assert.deepEqual(received, sent);
});

Deno.test("counters that cannot be are not believed", () => {
  const { reader, memory } = ends();
  new Int32Array(memory.buffer, 0, 64)[0] = -1;
  assert.throws(() => reader.read(new Uint8Array(8)), ProtocolError);
});
