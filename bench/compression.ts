/**
 * A million floats by a codec and back, in memory outside of any arena as activations are, against
 * plain loops over typed arrays that compute the same.
 */
import { codecOf } from "../core/compression/mod.ts";
import { codecKernels } from "../core/runtime/mod.ts";
import { interleave, millisecondsOf, report } from "./interleave.ts";

const ELEMENTS = 1 << 20;
const REPEATS = 10;
const BLOCK = 64;

type Loop = (source: Float32Array, target: Float32Array) => void;

function halves(): Loop {
  const between = new Float16Array(ELEMENTS);
  return (source, target) => {
    between.set(source);
    target.set(between);
  };
}

function upperHalves(): Loop {
  const between = new Uint16Array(ELEMENTS);
  return (source, target) => {
    const from = new Uint32Array(source.buffer);
    const to = new Uint32Array(target.buffer);
    for (let i = 0; i < ELEMENTS; i++) {
      const bits = from[i]!;
      between[i] = (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
    }
    for (let i = 0; i < ELEMENTS; i++) to[i] = between[i]! << 16;
  };
}

function blocks(): Loop {
  const scales = new Float32Array(ELEMENTS / BLOCK);
  const between = new Int8Array(ELEMENTS);
  return (source, target) => {
    for (let begin = 0; begin < ELEMENTS; begin += BLOCK) {
      let most = 0;
      for (let i = begin; i < begin + BLOCK; i++) most = Math.max(most, Math.abs(source[i]!));
      scales[begin / BLOCK] = most / 127;
      for (let i = begin; i < begin + BLOCK; i++) {
        between[i] = Math.round(source[i]! * (127 / most));
      }
    }
    for (let i = 0; i < ELEMENTS; i++) target[i] = between[i]! * scales[Math.floor(i / BLOCK)]!;
  };
}

const LOOPS = { f16: halves, bf16: upperHalves, int8: blocks } as const;

async function main(): Promise<void> {
  const [bench] = Deno.args as [string];
  const type = bench.slice(bench.indexOf("/") + 1) as keyof typeof LOOPS;
  const codec = codecOf({ type, feedback: false }, codecKernels)!;
  const source = Float32Array.from(
    { length: ELEMENTS },
    (_, i) => Math.sin(i) * Math.cos(0.001 * i),
  );
  const [bytes, target] = [new Uint8Array(codec.byteLength(ELEMENTS)), source.slice()];
  const ours = () => {
    codec.encode(source, bytes);
    codec.decode(bytes, target);
  };
  const loop = LOOPS[type]();
  const found = await interleave(
    () => millisecondsOf(ours, REPEATS),
    () => millisecondsOf(() => loop(source, target), REPEATS),
  );
  report({ bench, ...found, peer_name: "typed array loop", unit: "ms" });
}

if (import.meta.main) await main();
