/** For tests: frames of every kind, and ways to break them that a seed decides. */
import { encode, fillControl } from "./encode.ts";
import * as wire from "./gen/transport.ts";
import type { TensorInfo } from "./message.ts";
import { headFor, pattern } from "./recorder.ts";
import { type Piece, TensorTemplate } from "./tensor_template.ts";

const INFOS: readonly TensorInfo[] = [
  { name: "conv1/Relu:0", dtype: "float32", dims: [2, 3, 1] },
  { name: "", dtype: "int64", dims: [] },
  { name: "nothing", dtype: "float16", dims: [4, 0] },
  { name: "größe", dtype: "bool", dims: [3] },
];

/** The bytes of a tensor frame with its payloads. */
export function tensorFrame(
  seq: number,
  infos: readonly TensorInfo[],
  pieces?: readonly Piece[],
): Uint8Array<ArrayBuffer> {
  const template = new TensorTemplate(infos, pieces);
  const bytes = new Uint8Array(template.wireBytes);
  bytes.set(template.patch(seq, headFor(infos)));
  let at = template.headBytes;
  for (const [i, { byteLength }] of template.pieces.entries()) {
    bytes.set(pattern(byteLength, i + 1), at);
    at += Math.ceil(byteLength / 8) * 8;
  }
  return bytes;
}

/** Frames of every kind, each numbered as the first of its direction. */
export function corpus(): Uint8Array<ArrayBuffer>[] {
  const nonce = pattern(32, 9);
  const control = {
    kind: "evaluated",
    step: 9,
    epoch: 1,
    values: [0.5, NaN, -0],
    text: "ok",
  } as const;
  return [
    tensorFrame(0, INFOS),
    tensorFrame(0, []),
    tensorFrame(0, [INFOS[0]!], [{ offset: 8, byteLength: 9 }]),
    tensorFrame(0, Array.from({ length: 32 }, (_, i) => ({ ...INFOS[3]!, name: `t${i}` }))),
    encode(0, (frame) => fillControl(frame, control)),
    encode(0, (frame) => void (frame.initCredit().bytes = 4096n)),
    encode(0, (frame) => void (frame.initPing().token = 7n)),
    encode(0, (frame) => void (frame.initPong().token = 2n ** 64n - 1n)),
    encode(0, (frame) => void (frame.initBye().reason = "done")),
    encode(0, (frame) => {
      const failure = frame.initFailure();
      failure.code = wire.FailureCode.indexOf("failed");
      failure.message = "loss is NaN";
    }),
    encode(0, (frame) => {
      const hello = frame.initHello();
      hello.magic = 0x5241564e;
      hello.versionMin = hello.versionMax = 1;
      hello.nodeId = "node_0";
      hello.address = "0.0.0.0:8080";
      hello.expected = "node_1";
      hello.runHash = "00ff";
      hello.initNonce(32).copyBuffer(nonce);
    }),
    encode(0, (frame) => {
      const challenge = frame.initChallenge();
      challenge.nodeId = "node_1";
      challenge.initNonce(32).copyBuffer(nonce);
      challenge.initMac(32).copyBuffer(nonce);
    }),
    encode(0, (frame) => frame.initAuth().initMac(32).copyBuffer(nonce)),
    encode(0, (frame) => frame.initWelcome().initMac(32).copyBuffer(nonce)),
  ];
}

/** A generator of 32-bit integers below `n`, the same for the same seed (mulberry32). */
export function dice(seed: number): (n: number) => number {
  let state = seed >>> 0;
  return (n) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % n;
  };
}

/** Words that lie about lengths, offsets and kinds of pointers. */
const LIES = [
  0,
  1,
  2,
  3,
  6,
  7,
  8,
  0x7f,
  0xff,
  0xffff,
  0x7fffffff,
  0x80000000,
  0xfffffff8,
  0xffffffff,
];

/** One to six mutations of `bytes`, some of them taken from `others`. */
export function mutate(
  bytes: Uint8Array<ArrayBuffer>,
  others: readonly Uint8Array<ArrayBuffer>[],
  roll: (n: number) => number,
): Uint8Array<ArrayBuffer> {
  let out = bytes.slice();
  for (let count = 1 + roll(6); count > 0 && out.length >= 8; count--) {
    const word = roll(out.length >> 2) * 4;
    const view = new DataView(out.buffer, out.byteOffset, out.length);
    switch (roll(8)) {
      case 0:
      case 1:
        out[roll(out.length)]! ^= 1 << roll(8);
        break;
      case 2:
        view.setUint32(word, LIES[roll(LIES.length)]!, true);
        break;
      case 3:
        view.setUint32(word, (view.getUint32(word, true) + roll(64) - 32) >>> 0, true);
        break;
      case 4:
        view.setUint32(word, view.getUint32(roll(out.length >> 2) * 4, true), true);
        break;
      case 5:
        out = out.slice(0, roll(out.length));
        break;
      case 6: {
        const other = others[roll(others.length)]!;
        const from = roll(other.length >> 3) * 8;
        out.set(other.subarray(from, from + Math.min(64, out.length - word)), word);
        break;
      }
      default: {
        const other = others[roll(others.length)]!;
        const joined = new Uint8Array(word + other.length);
        joined.set(out.subarray(0, word));
        joined.set(other, word);
        out = joined;
      }
    }
  }
  return out;
}
