import assert from "node:assert/strict";
import { RavnError } from "../error.ts";
import { Arena, codecKernels, floatsOf } from "../runtime/mod.ts";
import type { Codec, CodecConfig } from "./codec.ts";
import { codecOf } from "./codecs.ts";

const CONFIGS = [
  { type: "f16", feedback: false },
  { type: "bf16", feedback: false },
  { type: "int8", feedback: false },
  { type: "topk", share: 0.1, feedback: true },
] as const;

/** Tails of every kernel's bulk, of blocks, and of the chunks that pass through its memory. */
const LENGTHS = [0, 1, 3, 7, 8, 15, 16, 17, 63, 64, 65, 100, 129, 1000, 4096 + 70, 16384 * 2 + 65];

function codec(config: Exclude<CodecConfig, { type: "none" }>): Codec {
  return codecOf(config, codecKernels)!;
}

/** A generator of numbers in [0, 1), the same for the same seed (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Numbers of many magnitudes and both signs, zeros among them. */
function numbers(length: number, seed = 1): Float32Array {
  const roll = random(seed);
  return Float32Array.from({ length }, () => {
    const size = roll();
    return size < 0.1 ? 0 : (roll() - 0.5) * 2 ** Math.floor(size * 40 - 30);
  });
}

function encoded(codec: Codec, source: Float32Array): Uint8Array {
  const bytes = new Uint8Array(codec.byteLength(source.length));
  assert.equal(codec.encode(source, bytes), bytes.length);
  return bytes;
}

function roundTrip(codec: Codec, source: Float32Array): Float32Array {
  const target = new Float32Array(source.length).fill(7);
  codec.decode(encoded(codec, source), target);
  return target;
}

function bits(array: Float32Array): number[] {
  return [...new Uint32Array(array.buffer, array.byteOffset, array.length)];
}

/** The upper half of an f32, rounded to the nearest, ties to even. */
function bf16(x: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setFloat32(0, x);
  const whole = view.getUint32(0);
  const rounded = whole + 0x7fff + ((whole >>> 16) & 1);
  view.setUint32(0, Number.isNaN(x) ? 0x7fc00000 : rounded & 0xffff0000);
  return view.getFloat32(0);
}

const SPECIAL = [
  ...[0, -0, 1, -1, 65504, 65519.99, 65520, -65520, 1e6, 3.4e38, -3.4e38, 2 ** -14, 2 ** -24],
  ...[2 ** -25, 2 ** -25 * 1.0001, 3 * 2 ** -25, 2 ** -126, 2 ** -149, 1e-40, 6.1e-5, 6.09e-5],
  ...[1 + 2 ** -11, 1 + 3 * 2 ** -11, 1 + 2 ** -8, 1 + 3 * 2 ** -8, Infinity, -Infinity, NaN],
];

Deno.test("f16 is what Float16Array makes of every kind of number", () => {
  for (const source of [new Float32Array(SPECIAL), ...LENGTHS.map((n) => numbers(n))]) {
    const expected = new Float32Array(new Float16Array(source));
    assert.deepEqual(roundTrip(codec(CONFIGS[0]), source), expected);
  }
});

Deno.test("all 65,536 f16 come back as they are", () => {
  const all = Uint16Array.from({ length: 65536 }, (_, i) => i);
  const target = new Float32Array(all.length);
  codec(CONFIGS[0]).decode(new Uint8Array(all.buffer), target);
  assert.deepEqual([...target], [...new Float16Array(all.buffer)]);
  assert.deepEqual([...roundTrip(codec(CONFIGS[0]), target)], [...target]);
});

Deno.test("f16 rounds as Float16Array on and beside the middle of any two neighbours", () => {
  const all = new Float32Array(
    new Float16Array(Uint16Array.from({ length: 0x7c00 }, (_, i) => i).buffer),
  );
  const middles = all.subarray(1).map((x, i) => (x + all[i]!) / 2);
  const words = new Uint32Array(middles.buffer);
  for (const step of [-1, 0, 1]) {
    const beside = new Float32Array(words.map((word) => word + step).buffer);
    assert.deepEqual([...roundTrip(codec(CONFIGS[0]), beside)], [...new Float16Array(beside)]);
  }
});

Deno.test("bf16 rounds to the nearest even upper half; NaN and infinities stay", () => {
  for (const source of [new Float32Array(SPECIAL), ...LENGTHS.map((n) => numbers(n))]) {
    assert.deepEqual(roundTrip(codec(CONFIGS[1]), source), source.map(bf16));
  }
  // A NaN whose upper half alone would be an infinity.
  const quiet = new Float32Array(new Uint32Array([0x7f800001, 0xff800001]).buffer);
  assert.deepEqual([...roundTrip(codec(CONFIGS[1]), quiet)], [NaN, NaN]);
});

Deno.test("int8 is off by half a scale of its block at most, and keeps the block's largest", () => {
  for (const length of LENGTHS) {
    const source = numbers(length);
    const target = roundTrip(codec(CONFIGS[2]), source);
    for (let begin = 0; begin < length; begin += 64) {
      const block = source.subarray(begin, begin + 64);
      const most = block.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
      block.forEach((x, i) => {
        const error = Math.abs(target[begin + i]! - x);
        assert.ok(error <= most / 254 * 1.00001, `${x} became ${target[begin + i]}`);
        if (Math.abs(x) === most) assert.ok(error <= most * 2 ** -22, `the largest is ${x}`);
      });
    }
  }
});

Deno.test("int8 does not turn what is not finite into a number, nor a small block into NaN", () => {
  for (const bad of [NaN, Infinity, -Infinity]) {
    for (const at of [0, 5, 63, 64, 70, 128]) {
      const source = new Float32Array(130).fill(1);
      source[at] = bad;
      const target = roundTrip(codec(CONFIGS[2]), source);
      const block = Math.floor(at / 64);
      target.forEach((x, i) => assert.equal(Number.isNaN(x), Math.floor(i / 64) === block));
    }
  }
  for (const small of [1e-36, 2 ** -120, 2 ** -121, 1e-40, 2 ** -149, 0]) {
    const source = new Float32Array(64).fill(small);
    for (const x of roundTrip(codec(CONFIGS[2]), source)) {
      assert.ok(Math.abs(x - small) <= 2 ** -120, `${small} became ${x}`);
    }
  }
});

Deno.test("topk sends the largest as they are, of equal ones the first, and no others", () => {
  const source = new Float32Array([0, -3, 3, 1, -3, 0.5, 3, 2]);
  const k3 = codec({ type: "topk", share: 3 / 8, feedback: false });
  assert.deepEqual([...roundTrip(k3, source)], [0, -3, 3, 0, -3, 0, 0, 0]);
  for (const length of LENGTHS) {
    const all = numbers(length, 3);
    const target = roundTrip(codec(CONFIGS[3]), all);
    const k = Math.ceil(length * 0.1);
    const least = [...all].map(Math.abs).sort((a, b) => b - a)[k - 1] ?? 0;
    const kept = target.filter((x) => x !== 0);
    assert.equal(kept.length, Math.min(k, all.filter((x) => x !== 0).length));
    target.forEach((x, i) => {
      assert.ok(x === 0 ? Math.abs(all[i]!) <= least : x === all[i] && Math.abs(x) >= least);
    });
  }
});

Deno.test("topk sends NaN and infinities before all numbers", () => {
  const source = numbers(100, 5);
  [source[17], source[71], source[99]] = [NaN, -Infinity, Infinity];
  const target = roundTrip(codec({ type: "topk", share: 0.03, feedback: false }), source);
  assert.deepEqual([target[17], target[71], target[99]], [NaN, -Infinity, Infinity]);
});

Deno.test("bytes are the same wherever arrays lie, and nothing beyond them is touched", () => {
  for (const config of CONFIGS) {
    for (const length of LENGTHS) {
      const coder = codec(config);
      const source = numbers(length, length);
      const size = coder.byteLength(length);
      const expected = encoded(coder, source);
      const arena = new Arena(length * 8 + size + 4096);
      const [floats, bytes, back] = arena.allocateTogether([length * 4, size + 64, length * 4 + 64])
        .map((memory) => memory!);
      floatsOf(floats!).set(source);
      // Any address is as good as an aligned one.
      const odd = bytes!.subarray(1, 1 + size);
      assert.equal(coder.encode(floatsOf(floats!), odd), size);
      assert.deepEqual(new Uint8Array(odd), expected);
      assert.ok(bytes!.subarray(1 + size).every((byte) => byte === 0));
      const target = floatsOf(back!).subarray(1, 1 + length);
      coder.decode(odd, target);
      assert.deepEqual(bits(target), bits(roundTrip(coder, source)));
      assert.equal(back!.subarray(4 + length * 4).find((byte) => byte !== 0), undefined);
    }
  }
});

Deno.test("what is left after subtracting is what the bytes do not tell", () => {
  for (const config of CONFIGS) {
    const coder = codec(config);
    const source = numbers(5000, 11);
    const decoded = roundTrip(coder, source);
    const rest = source.slice();
    coder.subtract(encoded(coder, source), rest);
    assert.deepEqual([...rest], [...source].map((x, i) => Math.fround(x - decoded[i]!)));
  }
});

Deno.test("room that is too short is refused before anything is written", () => {
  for (const config of CONFIGS) {
    const coder = codec(config);
    const short = new Uint8Array(coder.byteLength(100) - 1);
    assert.throws(() => coder.encode(numbers(100), short), RangeError);
    assert.ok(short.every((byte) => byte === 0));
  }
});

Deno.test("damaged messages are refused with one line", () => {
  const target = new Float32Array(100);
  for (const config of CONFIGS) {
    const coder = codec(config);
    const expected = coder.byteLength(100);
    for (const length of [0, 1, expected - 1, expected + 1, expected * 2]) {
      assert.throws(() => coder.decode(new Uint8Array(length), target), {
        name: "RavnError",
        message: `100 elements as ${config.type} came in ${length} bytes, expected ${expected}: ` +
          `do both ends have the same compression?`,
      });
    }
  }
  const int8 = encoded(codec(CONFIGS[2]), numbers(100));
  for (const scale of [-1, Infinity, -Infinity, -0]) {
    new DataView(int8.buffer).setFloat32(4, scale, true);
    assert.throws(() => codec(CONFIGS[2]).decode(int8, target), {
      message: "block 1 of 100 elements as int8 has a scale that is negative or infinite: " +
        "the message is damaged",
    });
  }
  const topk = encoded(codec(CONFIGS[3]), numbers(100).map((x) => x + 1));
  for (const index of [100, 2 ** 32 - 1]) {
    new DataView(topk.buffer).setUint32(9 * 4, index, true);
    assert.throws(() => codec(CONFIGS[3]).decode(topk, target), /entry 9 .* index \d+, expected/);
  }
  new DataView(topk.buffer).setUint32(
    9 * 4,
    new DataView(topk.buffer).getUint32(8 * 4, true),
    true,
  );
  assert.throws(() => codec(CONFIGS[3]).decode(topk, target), /entry 9 of 100 elements as topk/);
});

Deno.test("whatever a peer sends is decoded within bounds, or refused with a RavnError", () => {
  const roll = random(2026);
  let refused = 0;
  for (let i = 0; i < 4000; i++) {
    const config = CONFIGS[i % CONFIGS.length]!;
    const coder = codec(config);
    const length = Math.floor(roll() * 300);
    const bytes = encoded(coder, numbers(length, i));
    for (let flips = roll() * 4; flips > 0 && bytes.length > 0; flips--) {
      bytes[Math.floor(roll() * bytes.length)]! ^= 1 << Math.floor(roll() * 8);
    }
    const cut = roll() < 0.1 ? bytes.subarray(0, Math.floor(roll() * bytes.length)) : bytes;
    const memory = new Float32Array(length + 2).fill(5);
    try {
      coder.decode(cut, memory.subarray(1, 1 + length));
    } catch (error) {
      assert.ok(error instanceof RavnError, String(error));
      assert.doesNotMatch(error.message, /\n/);
      refused++;
    }
    assert.deepEqual([memory[0], memory[length + 1]], [5, 5]);
  }
  assert.ok(refused > 100 && refused < 4000, `${refused} refused`);
});
