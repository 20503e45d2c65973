import assert from "node:assert/strict";
import { encode } from "./encode.ts";
import type * as wire from "./gen/transport.ts";
import { limitsWith } from "./limits.ts";
import type { Closed } from "./link.ts";
import type { TensorInfo } from "./message.ts";
import { FrameReader } from "./frame_reader.ts";
import { FrameWriter } from "./frame_writer.ts";
import { PeerLink } from "./peer_link.ts";
import { pipe } from "./pipe.ts";
import { headFor, pattern, Recorder } from "./recorder.ts";
import { type Piece, TensorTemplate } from "./tensor_template.ts";

const BYTES: TensorInfo = { name: "x", dtype: "uint8", dims: [100] };

/** What becomes of a link whose peer writes these bytes, and what the peer is told about it. */
async function against(...frames: Uint8Array[]): Promise<{ closed: Closed; told: string }> {
  const [conn, rogue] = pipe();
  const limits = limitsWith({ credit_bytes: 4096, close_ms: 200 });
  const link = new PeerLink({
    conn,
    self: { nodeId: "node_0", address: "0.0.0.0:1" },
    peer: { nodeId: "node_1", address: "0.0.0.0:2" },
    limits,
    via: "memory",
    reader: new FrameReader(conn, limits),
    writer: new FrameWriter(conn),
    credit: limits.credit_bytes,
    seq: 0,
  });
  link.start(new Recorder());
  for (const frame of frames) await rogue.write(frame);
  const reader = new FrameReader(rogue, limits);
  let told = "";
  for (let frame = await reader.next(); frame !== null; frame = await reader.next()) {
    if (frame.body.member !== "failure") continue;
    told = `${frame.body.code}: ${frame.body.message}`;
    rogue.close();
    break;
  }
  return { closed: await link.closed, told };
}

function tensors(seq: number, pieces: readonly Piece[], infos = [BYTES], microBatch = 7) {
  const template = new TensorTemplate(infos, pieces);
  const parts = [template.patch(seq, headFor(infos, { microBatch })).slice()];
  for (const { byteLength } of pieces) {
    if (byteLength > 0) parts.push(new Uint8Array(Math.ceil(byteLength / 8) * 8));
  }
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

const WHOLE = [{ offset: 0, byteLength: 100 }];
const FIRST = [{ offset: 0, byteLength: 40 }];
const REST = [{ offset: 40, byteLength: 60 }];

const BREACHES: [string, Uint8Array[], RegExp][] = [
  ["noise", [pattern(64, 5)], /a frame of \d+ segments/],
  ["frames out of order", [tensors(1, WHOLE)], /frame 1 where frame 0 was due/],
  ["a frame twice", [tensors(0, WHOLE), tensors(0, WHOLE)], /frame 0 where frame 1 was due/],
  ["a message that begins in its middle", [tensors(0, REST)], /begins in its middle/],
  ["a piece twice", [tensors(0, FIRST), tensors(1, FIRST)], /pieces of a message out of order/],
  [
    "a message within another",
    [tensors(0, FIRST), tensors(1, REST, [BYTES], 8)],
    /a message within another one/,
  ],
  [
    "a message that never goes on",
    [tensors(0, FIRST), tensors(1, [{ offset: 40, byteLength: 0 }])],
    /pieces of a message out of order/,
  ],
  [
    "more than the credit",
    [tensors(0, [{ offset: 0, byteLength: 5000 }], [{ ...BYTES, dims: [5000] }])],
    /beyond its credit/,
  ],
  [
    "a handshake after the handshake",
    [encode(0, (frame: wire.Frame) => frame.initAuth().initMac(32))],
    /a auth frame after the handshake/,
  ],
];

for (const [name, frames, message] of BREACHES) {
  Deno.test(`a peer that sends ${name} is lost, and told why`, async () => {
    const { closed, told } = await against(...frames);
    assert.ok(closed.kind === "lost");
    assert.match(closed.error.message, /^node_0 lost node_1 at 0.0.0.0:2: it broke the protocol: /);
    assert.match(closed.error.message, message);
    assert.match(told, /^protocol: /);
    assert.match(told, message);
  });
}
