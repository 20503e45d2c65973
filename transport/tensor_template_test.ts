import assert from "node:assert/strict";
import { Message } from "capnp-ts";
import { decode } from "./decode.ts";
import { encode, fillControl } from "./encode.ts";
import * as wire from "./gen/transport.ts";
import { tableBytes } from "./guard.ts";
import { LIMITS } from "./limits.ts";
import type { TensorHead, TensorInfo } from "./message.ts";
import { headFor, pattern } from "./recorder.ts";
import { TensorTemplate } from "./tensor_template.ts";

const TENSORS: readonly TensorInfo[] = [
  { name: "conv1/Relu:0", dtype: "float32", dims: [2, 3] },
  { name: "", dtype: "int64", dims: [] },
  { name: "nothing", dtype: "float16", dims: [4, 0] },
  { name: "größe", dtype: "bool", dims: [3] },
];
const LENGTHS = [24, 8, 0, 3];

const HEAD: TensorHead = {
  kind: "gather",
  microBatch: 2 ** 33 + 5,
  step: 4_294_967_295,
  weightVersion: 9_007_199_254_740_991,
  samples: 64,
  tensors: TENSORS,
};

/** The frame as capnp-ts writes it alone: every tensor copied into the one segment. */
function plainly(seq: number, head: TensorHead, data: readonly Uint8Array[]): Uint8Array {
  const message = new Message();
  const frame = message.initRoot(wire.Frame);
  frame.seq = BigInt(seq);
  const body = frame.initTensors();
  body.kind = wire.Kind.indexOf(head.kind);
  body.samples = head.samples;
  body.microBatch = BigInt(head.microBatch);
  body.step = BigInt(head.step);
  body.weightVersion = BigInt(head.weightVersion);
  const list = body.initTensors(head.tensors.length);
  const names: readonly string[] = wire.DType;
  for (const [i, info] of head.tensors.entries()) {
    const tensor = list.get(i);
    tensor.name = info.name;
    tensor.dtype = names.indexOf(info.dtype);
    tensor.total = BigInt(data[i]!.length);
    const dims = tensor.initDims(info.dims.length);
    info.dims.forEach((dim, j) => dims.set(j, dim));
    if (data[i]!.length > 0) tensor.initData(data[i]!.length).copyBuffer(data[i]!);
  }
  return new Uint8Array(message.toArrayBuffer());
}

/** The whole frame with its payloads. */
function whole(template: TensorTemplate, seq: number, head: TensorHead, data: Uint8Array[]) {
  const parts: Uint8Array[] = [template.patch(seq, head).slice()];
  for (const bytes of data) {
    parts.push(bytes, new Uint8Array(-bytes.length & 7));
  }
  const out = new Uint8Array(template.wireBytes);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  assert.equal(at, template.wireBytes);
  return out;
}

/** What capnp makes of a stream of frames, one line each. */
async function capnpDecode(bytes: Uint8Array): Promise<string> {
  const schema = new URL("./schema/transport.capnp", import.meta.url).pathname;
  const child = new Deno.Command("capnp", {
    args: ["decode", "--short", schema, "Frame"],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(bytes);
  await writer.close();
  const { success, stdout, stderr } = await child.output();
  assert.ok(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

const hasCapnp = await new Deno.Command("capnp", { args: ["--version"] }).output()
  .then(({ success }) => success, () => false);

Deno.test("a patched template is the frame that would be encoded anew", () => {
  const template = new TensorTemplate(TENSORS);
  const first = template.patch(1, headFor(TENSORS)).slice();
  const second = template.patch(77, HEAD).slice();
  assert.notDeepEqual(first, second);
  assert.deepEqual(new TensorTemplate(TENSORS).patch(77, HEAD), second);
  assert.deepEqual(template.patch(1, headFor(TENSORS)), first);
});

Deno.test("what a template says is what is decoded", () => {
  const template = new TensorTemplate(TENSORS);
  const bytes = template.patch(77, HEAD);
  const start = tableBytes(4);
  const sizes = [template.headBytes - start, 24, 8, 8];
  const { seq, body } = decode(bytes.subarray(start), sizes, LIMITS);
  assert.equal(seq, 77);
  assert.ok(body.member === "tensors");
  assert.deepEqual(body.tensors.head, HEAD);
  assert.ok(body.tensors.isWhole);
  assert.deepEqual(body.tensors.pieces, LENGTHS.map((byteLength) => ({ offset: 0, byteLength })));
});

Deno.test("a template fits tensors of the same names, types and shapes only", () => {
  const template = new TensorTemplate(TENSORS);
  const with0 = (
    changes: Partial<TensorInfo>,
  ) => [{ ...TENSORS[0]!, ...changes }, ...TENSORS.slice(1)];
  assert.ok(template.fits(structuredClone(TENSORS)));
  assert.ok(!template.fits(TENSORS.slice(1)));
  assert.ok(!template.fits(with0({ name: "other" })));
  assert.ok(!template.fits(with0({ dtype: "int32" })));
  assert.ok(!template.fits(with0({ dims: [3, 2] })));
  assert.ok(!template.fits(with0({ dims: [2, 3, 1] })));
});

Deno.test({
  name: "capnp decode reads our frames (needs capnp, Debian's capnproto, on PATH)",
  ignore: !hasCapnp,
  fn: readsOurFrames,
});

async function readsOurFrames(): Promise<void> {
  const data = LENGTHS.map((length, i) => pattern(length, i + 1));
  const ours = await capnpDecode(whole(new TensorTemplate(TENSORS), 77, HEAD, data));
  const theirs = await capnpDecode(plainly(77, HEAD, data));
  assert.equal(ours, theirs);
  assert.match(ours, /kind = gather/);
  assert.match(ours, /name = "conv1\/Relu:0", dtype = float32, codec = raw, dims = \[2, 3\]/);
  const empty = await capnpDecode(whole(new TensorTemplate([]), 0, headFor([]), []));
  assert.match(empty, /tensors = \[\]/);
  const big: TensorInfo = { name: "big", dtype: "uint8", dims: [300_001] };
  const many = await capnpDecode(
    whole(new TensorTemplate([big]), 5, headFor([big]), [new Uint8Array(300_001).fill(65)]),
  );
  assert.match(many, /data = "A{300001}"/);
  const control = { kind: "abort", step: 1, epoch: 2, values: [1.5], text: "stop" } as const;
  assert.match(
    await capnpDecode(encode(3, (frame) => fillControl(frame, control))),
    /\(seq = 3, control = \(kind = abort, step = 1, epoch = 2, values = \[1.5\], text = "stop"\)\)/,
  );
}
