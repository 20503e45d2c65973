/**
 * Weights and data for golden runs, from a hash of their names; the same as
 * `fixtures/golden/models/make_models.py` computes.
 */
import { elementCount, isFloat, tensor } from "../core/onnx/mod.ts";
import type { Graph, Tensor } from "../core/onnx/mod.ts";

/** Vectors of signs that a tensor's change is projected on. */
export const PROJECTIONS = 4;

/** `count` hashed words: MurmurHash3's finalizer over FNV-1a of the name and a counter. */
function words(name: string, count: number): Uint32Array {
  let start = 2166136261;
  for (const byte of new TextEncoder().encode(name)) start = Math.imul(start ^ byte, 16777619);
  const result = new Uint32Array(count);
  for (let i = 0; i < count; i++) {
    let word = (Math.imul(i, 0x9e3779b9) + start) | 0;
    word = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
    word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35);
    result[i] = word ^ (word >>> 16);
  }
  return result;
}

/** `factor` · x + `center`, x in [-1, 1). */
function spread(
  name: string,
  dims: readonly number[],
  factor: number,
  center: number,
): Float32Array {
  const hashed = words(name, elementCount(dims));
  return Float32Array.from(hashed, (word) => ((word >>> 8) / 2 ** 23 - 1) * factor + center);
}

/** Numbers in [-1, 1). */
export function floats(name: string, dims: readonly number[]): Tensor {
  return tensor("float32", dims, spread(name, dims, 1, 0));
}

/** Integers from 0 to `below` less 1. */
export function integers(name: string, dims: readonly number[], below: number): number[] {
  return Array.from(words(name, elementCount(dims)), (word) => word % below);
}

/**
 * Of variance 1 / fan_in for a matrix or filters; for the scale of a norm about 1, or 0.3 where it
 * ends the branch of a residual block; else about 0.
 */
function weight(name: string, dims: readonly number[]): Float32Array {
  if (dims.length > 1) return spread(name, dims, Math.sqrt(3 / elementCount(dims.slice(1))), 0);
  const ends = /(bn3|conv\.3)\.weight$/.test(name);
  return spread(name, dims, 0.1, ends ? 0.3 : name.endsWith("weight") ? 1 : 0);
}

/** The graph with hashed weights; running statistics and constants stay. */
export function withHashedWeights(graph: Graph): Graph {
  const initializers = [...graph.initializers].map(([name, value]): [string, Tensor] => {
    if (!isFloat(value.dtype) || !/\.(weight|bias)$/.test(name)) return [name, value];
    return [name, { ...value, bytes: bytesOf(weight(name, value.dims)) }];
  });
  return { ...graph, initializers: new Map(initializers) };
}

function bytesOf(values: Float32Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(values.slice().buffer);
}

/** Projections of `end` less `start` on vectors of signs. */
export function projected(
  name: string,
  start: ArrayLike<number>,
  end: ArrayLike<number>,
): number[] {
  const sums = new Array<number>(PROJECTIONS).fill(0);
  words(`${name}.signs`, end.length).forEach((bits, i) => {
    const change = end[i]! - start[i]!;
    for (let k = 0; k < PROJECTIONS; k++) sums[k]! += (bits >>> k) & 1 ? change : -change;
  });
  return sums;
}
