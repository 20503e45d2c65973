import assert from "node:assert/strict";
import { codecKernels } from "../runtime/mod.ts";
import { codecOf } from "./codecs.ts";
import { Compressor } from "./compressor.ts";

const CONFIGS = [
  { type: "f16", feedback: true },
  { type: "int8", feedback: true },
  { type: "topk", share: 0.02, feedback: true },
] as const;

/** The numbers of message `round`: the same direction each time, and something of its own. */
function message(elements: number, round: number): Float32Array {
  return Float32Array.from({ length: elements }, (_, i) => {
    return 0.01 * Math.sin(i) + 0.1 * Math.sin(7.3 * i * round);
  });
}

Deno.test("with feedback, what arrives in all differs from what was sent by the residual", () => {
  const elements = 700;
  for (const config of CONFIGS) {
    const codec = codecOf(config, codecKernels)!;
    const compressor = new Compressor({ codec, elements, feedback: true });
    const bytes = new Uint8Array(codec.byteLength(elements));
    const decoded = new Float32Array(elements);
    const [sent, came] = [new Float64Array(elements), new Float64Array(elements)];
    for (let round = 1; round <= 50; round++) {
      const source = message(elements, round);
      compressor.encode(source, bytes);
      codec.decode(bytes, decoded);
      source.forEach((x, i) => sent[i]! += x);
      decoded.forEach((x, i) => came[i]! += x);
    }
    sent.forEach((x, i) => {
      const missing = x - came[i]! - compressor.residual![i]!;
      assert.ok(Math.abs(missing) < 1e-5, `${config.type}: ${missing} is lost of element ${i}`);
    });
  }
});

Deno.test("a shorter message is about the first elements and leaves the others' residual", () => {
  const codec = codecOf({ type: "topk", share: 0.1, feedback: true }, codecKernels)!;
  const compressor = new Compressor({ codec, elements: 20, feedback: true });
  const source = Float32Array.from({ length: 20 }, (_, i) => i + 1);
  compressor.encode(source, new Uint8Array(codec.byteLength(20)));
  assert.deepEqual([...compressor.residual!].slice(-3), [18, 0, 0]);
  compressor.encode(source.subarray(0, 10), new Uint8Array(codec.byteLength(10)));
  assert.deepEqual([...compressor.residual!.subarray(8)], [18, 0, ...source.slice(10, 18), 0, 0]);
  assert.throws(() => compressor.encode(new Float32Array(21), new Uint8Array(999)), RangeError);
});

Deno.test("without feedback a message depends on nothing but what is in it", () => {
  const codec = codecOf({ type: "topk", share: 0.1, feedback: false }, codecKernels)!;
  const compressor = new Compressor({ codec, elements: 20, feedback: false });
  const messages = [1, 2].map(() => {
    const bytes = new Uint8Array(codec.byteLength(20));
    compressor.encode(message(20, 3), bytes);
    return [...bytes];
  });
  assert.deepEqual(messages[0], messages[1]);
  assert.equal(compressor.residual, undefined);
});
