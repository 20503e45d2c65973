import assert from "node:assert/strict";
import { tensorFrame } from "./corpus.ts";
import { decode } from "./decode.ts";
import { encode, fillControl } from "./encode.ts";
import type * as wire from "./gen/transport.ts";
import { segment0Bytes, segmentCount, segmentSizes, tableBytes } from "./guard.ts";
import { LIMITS, limitsWith } from "./limits.ts";
import { ProtocolError } from "./protocol_error.ts";

/** Decodes a frame after `change` was made to its head, whose segment 0 begins at byte `start`. */
function decodeWith(bytes: Uint8Array<ArrayBuffer>, change: (view: DataView) => void) {
  const view = new DataView(bytes.buffer);
  const start = tableBytes(segmentCount(view, 0, LIMITS));
  const end = start + segment0Bytes(view, 0, LIMITS);
  change(new DataView(bytes.buffer, start));
  return decode(bytes.subarray(start, end), segmentSizes(view, 0, LIMITS), LIMITS);
}

function refuses(bytes: Uint8Array<ArrayBuffer>, message: RegExp, ...words: [number, number][]) {
  assert.throws(
    () =>
      decodeWith(bytes, (view) => {
        for (const [at, word] of words) view.setUint32(at * 4, word, true);
      }),
    (error: Error) => error instanceof ProtocolError && message.test(error.message),
    String(message),
  );
}

// One tensor of 24 bytes. Words of 32 bits in segment 0:
//  0 root pointer   2 seq        4 which      6 pointer to Tensors
//  8 Tensors: kind, samples  10 microBatch  12 step  14 weightVersion  16 pointer to the list
// 18 tag            20 Tensor: dtype and codec  22 offset  24 total  26 name  28 dims  30 data
// 32 the text "x"   34 the dims 2 and 3         36 landing pad
const one = () => tensorFrame(0, [{ name: "x", dtype: "float32", dims: [2, 3] }]);

Deno.test("the map of words above is right", () => {
  const { body } = decodeWith(one(), (view) => {
    assert.equal(view.getUint8(32 * 4), "x".charCodeAt(0));
    assert.deepEqual([view.getUint32(34 * 4, true), view.getUint32(35 * 4, true)], [2, 3]);
    assert.equal(view.getUint32(37 * 4, true), 1);
  });
  assert.ok(body.member === "tensors");
});

Deno.test("pointers that lead out of segment 0, or are of another kind, are refused", () => {
  refuses(one(), /Frame: points outside of its segment/, [0, 0x7ffffffc]);
  refuses(one(), /Frame: points outside of its segment/, [0, -16 >>> 0]);
  refuses(one(), /Frame: not a struct pointer/, [0, 1]);
  refuses(one(), /Frame: not a struct pointer/, [0, 2]);
  refuses(one(), /Frame: smaller than the schema says/, [1, 0]);
  refuses(one(), /Frame: points to the root/, [0, -4 >>> 0], [1, 0x10002]);
  refuses(one(), /Tensors: smaller than the schema says/, [7, 0x10003]);
  refuses(one(), /Tensor: not a list pointer/, [26, 0]);
  refuses(one(), /Tensor: a list of other elements/, [27, 0b100 | 2 << 3]);
  refuses(one(), /Frame: unknown member 11/, [4, 11]);
});

Deno.test("lists that are longer than their segment or than the limits are refused", () => {
  refuses(one(), /Tensor: a list of 536870911 elements/, [27, 0xfffffffa]);
  refuses(one(), /Tensor: points outside of its segment/, [27, 2 | 200 << 3]);
  refuses(one(), /Tensors: a list of 1073741823/, [18, 0xfffffffc]);
  refuses(one(), /Tensors: a list of 33/, [18, 33 << 2]);
  refuses(one(), /Tensors: a list longer than its words/, [18, 2 << 2]);
  refuses(one(), /Tensors: points outside of its segment/, [17, 7 | 60 << 3]);
  refuses(one(), /Tensor: smaller than the schema says/, [19, 0x20004]);
});

Deno.test("text without its end, or that is not UTF-8, is refused", () => {
  refuses(one(), /Tensor: unterminated text/, [32, 0x00007878]);
  refuses(one(), /Tensor: unterminated text/, [27, 2]);
  refuses(one(), /Tensor: text that is not UTF-8/, [32, 0x000000ff]);
});

Deno.test("payloads that are not whole segments in their order are refused", () => {
  refuses(one(), /Tensor: segment 2 out of order/, [37, 2]);
  refuses(one(), /Tensor: segment 0 out of order/, [37, 0]);
  refuses(one(), /Tensor: a bad landing pad/, [36, 2 | 1 << 3]);
  refuses(one(), /Tensor: a far pointer/, [30, 2]);
  refuses(one(), /Tensor: not bytes/, [39, 3 | 24 << 3]);
  refuses(one(), /Tensor: its length/, [39, 2 | 16 << 3]);
  refuses(one(), /Tensor: its length/, [39, 2 | 25 << 3]);
  refuses(one(), /Tensor: points outside of its segment/, [30, 6 | 5000 << 3]);
  refuses(one(), /1 segments that nothing points to/, [30, 0], [31, 0]);
});

Deno.test("numbers that contradict each other, or are not in the schema, are refused", () => {
  refuses(one(), /tensor x: 32 bytes for \[2,3\] of float32/, [24, 32]);
  refuses(one(), /tensor x: 24 bytes for \[2,4\] of float32/, [35, 4]);
  refuses(one(), /tensor x: more bytes than its total/, [22, 1]);
  refuses(one(), /tensor x: it is compressed/, [20, 1 << 16]);
  refuses(one(), /unknown dtype 13/, [20, 13]);
  refuses(one(), /unknown codec 5/, [20, 5 << 16]);
  refuses(one(), /unknown kind 6/, [8, 6]);
  refuses(one(), /a number of 9007199254740992/, [13, 0x200000], [12, 0]);
  refuses(one(), /tensor x: rank 9/, [28, 1 | -6 << 2], [29, 4 | 9 << 3]);
  refuses(one(), /a ping frame with segments|segments that nothing points to/, [4, 7]);
});

Deno.test("segment tables are refused before anything is allocated for them", () => {
  const sizes = (...words: number[]) => {
    const view = new DataView(new ArrayBuffer(4 * words.length + 8));
    words.forEach((word, i) => view.setUint32(4 * i, word, true));
    return segmentSizes(view, 0, limitsWith({}));
  };
  assert.deepEqual(sizes(1, 2, 3), [16, 24]);
  assert.throws(() => sizes(33, 1), /a frame of 34 segments/);
  assert.throws(() => sizes(0xffffffff, 1), ProtocolError);
  assert.throws(() => sizes(0, 0), /segment 0 of 0 bytes/);
  assert.throws(() => sizes(0, 8193), /segment 0 of 65544 bytes/);
  assert.throws(() => sizes(1, 1, 0), /segment 1 of 0 bytes/);
  assert.throws(() => sizes(1, 1, 0x2000001), /segment 1 of 268435464 bytes/);
  assert.throws(() => sizes(2, 1, 0x2000000, 0x2000000), /a frame of 536870920 bytes/);
});

Deno.test("null pointers read as empty, without a change to the frame", () => {
  const control = { kind: "begin", step: 0, epoch: 0, values: [1], text: "t" } as const;
  const bytes = encode(0, (frame: wire.Frame) => fillControl(frame, control));
  // Words 14 to 17 are the pointers of Control.
  const { body } = decodeWith(bytes, (view) => {
    for (let word = 14; word < 18; word++) view.setUint32(word * 4, 0, true);
  });
  assert.ok(body.member === "control");
  assert.deepEqual(body.control, { ...control, values: [], text: "" });
});
