import assert from "node:assert/strict";
import { Arena } from "../arena.ts";
import golden from "../../../fixtures/golden/optimizers/optimizers.json" with { type: "json" };
import { adam, type AdamUpdate, sgd, type SgdUpdate } from "./optimizers.ts";

const ADAM: AdamUpdate = {
  lr: 0.01,
  beta1: 0.9,
  beta2: 0.999,
  eps: 1e-8,
  weightDecay: 0,
  decoupled: false,
  step: 1,
};
const SGD: SgdUpdate = {
  lr: 0.05,
  momentum: 0,
  dampening: 0,
  nesterov: false,
  weightDecay: 0,
  first: true,
};

/** Options as PyTorch's constructors name them. */
interface TorchOptions {
  readonly lr: number;
  readonly betas?: number[];
  readonly eps?: number;
  readonly weight_decay?: number;
  readonly momentum?: number;
  readonly dampening?: number;
  readonly nesterov?: boolean;
}

function adamOf(name: string, o: TorchOptions, step: number): AdamUpdate {
  return {
    ...ADAM,
    lr: o.lr,
    beta1: o.betas?.[0] ?? ADAM.beta1,
    beta2: o.betas?.[1] ?? ADAM.beta2,
    eps: o.eps ?? ADAM.eps,
    weightDecay: o.weight_decay ?? 0,
    decoupled: name.startsWith("adamw"),
    step,
  };
}

function sgdOf(o: TorchOptions, step: number): SgdUpdate {
  return {
    ...SGD,
    lr: o.lr,
    momentum: o.momentum ?? 0,
    dampening: o.dampening ?? 0,
    nesterov: o.nesterov ?? false,
    weightDecay: o.weight_decay ?? 0,
    first: step === 1,
  };
}

/** One update in double precision, as in the papers. State is [m, v] or [momentum buffer]. */
function reference(
  w: number,
  gradient: number,
  state: number[],
  o: AdamUpdate | SgdUpdate,
): number {
  let g = gradient * (o.gradientScale ?? 1);
  if ("beta1" in o) {
    if (!o.decoupled) g += o.weightDecay * w;
    state[0] = o.beta1 * state[0]! + (1 - o.beta1) * g;
    state[1] = o.beta2 * state[1]! + (1 - o.beta2) * g * g;
    const mHat = state[0] / (1 - o.beta1 ** o.step);
    const vHat = state[1] / (1 - o.beta2 ** o.step);
    const kept = o.decoupled ? w - o.lr * o.weightDecay * w : w;
    return kept - o.lr * mHat / (Math.sqrt(vHat) + o.eps);
  }
  g += o.weightDecay * w;
  if (o.momentum === 0) return w - o.lr * g;
  state[0] = o.first ? g : o.momentum * state[0]! + (1 - o.dampening) * g;
  return w - o.lr * (o.nesterov ? g + o.momentum * state[0] : state[0]);
}

/** Arrays of one slab. */
function arrays(count: number, length: number): Float32Array[] {
  return new Arena(count * (length * 4 + 64)).allocateTogether(new Array(count).fill(length * 4))
    .map((bytes) => new Float32Array(bytes.buffer, bytes.byteOffset, length));
}

function assertClose(got: number, expected: number, tolerance: number, what: string): void {
  const error = Math.abs(got - expected) / Math.abs(expected);
  assert.ok(error <= tolerance, `${what}: ${got}, expected ${expected}, relative error ${error}`);
}

for (const [name, { options, weights }] of Object.entries(golden.cases)) {
  const torch: TorchOptions = options;
  const isAdam = name.startsWith("adam");

  Deno.test(`${name}: equal to PyTorch's weights, step by step`, () => {
    const [w, g, m, v] = arrays(4, 5) as [Float32Array, Float32Array, Float32Array, Float32Array];
    w.set([1, 1.25, 1.5, 1.75, 2]);
    weights.forEach((expected, t) => {
      for (let i = 0; i < g.length; i++) g[i] = Math.sin(1 + i + 2 * (t + 1));
      if (isAdam) adam(w, w, g, m, v, adamOf(name, torch, t + 1));
      else sgd(w, w, g, torch.momentum === undefined ? undefined : m, sgdOf(torch, t + 1));
      expected.forEach((x, i) => assertClose(w[i]!, x, 1e-6, `step ${t + 1}, weight ${i}`));
    });
  });

  Deno.test(`${name}: within 1e-6 of double precision over 100 steps, for every tail`, () => {
    for (const length of [1, 2, 3, 4, 7, 33]) {
      const [w, next, g, m, v] = arrays(5, length) as [
        Float32Array,
        Float32Array,
        Float32Array,
        Float32Array,
        Float32Array,
      ];
      const exact = Float64Array.from(w, (_, i) => Math.fround(2 + Math.cos(i)));
      w.set(exact);
      const state = Array.from(exact, () => [0, 0]);
      let [from, to] = [w, next];
      for (let t = 1; t <= 100; t++) {
        for (let i = 0; i < length; i++) g[i] = Math.sin(i + 0.7 * t) + 0.2;
        const o = isAdam
          ? { ...adamOf(name, torch, t), gradientScale: 0.5 }
          : { ...sgdOf(torch, t), lr: torch.lr / 100, gradientScale: 0.5 };
        exact.forEach((x, i) => exact[i] = reference(x, g[i]!, state[i]!, o));
        if ("beta1" in o) adam(from, to, g, m, v, o);
        else sgd(from, to, g, torch.momentum === undefined ? undefined : m, o);
        [from, to] = [to, from];
        exact.forEach((x, i) => assertClose(from[i]!, x, 1e-6, `length ${length}, step ${t}`));
      }
    }
  });
}

Deno.test("an update out of place keeps what it reads, and gives the same bits", () => {
  const length = 19;
  const [a, b, c, g, m1, v1, m2, v2] = arrays(8, length);
  for (let i = 0; i < length; i++) {
    a![i] = c![i] = Math.sin(i);
    g![i] = Math.cos(i);
  }
  const before = [...a!];
  adam(a!, b!, g!, m1!, v1!, ADAM);
  adam(c!, c!, g!, m2!, v2!, ADAM);
  assert.deepEqual([...a!], before);
  assert.deepEqual([...b!], [...c!]);
  assert.deepEqual([...m1!], [...m2!]);
});

Deno.test("an element's new value does not depend on its place", () => {
  const length = 11;
  const [w, g, m, v] = arrays(4, length);
  w!.fill(0.3);
  g!.fill(-0.7);
  adam(w!, w!, g!, m!, v!, ADAM);
  assert.equal(new Set(w!).size, 1);
  assert.equal(new Set(m!).size, 1);
});

Deno.test("moments that nobody feeds end at zero instead of in the denormals", () => {
  const [w, g, m, v] = arrays(4, 6);
  w!.fill(1);
  m!.fill(1e-3);
  v!.fill(1e-3);
  for (let t = 1; t <= 1008; t++) adam(w!, w!, g!, m!, v!, { ...ADAM, beta2: 0.9, step: t });
  assert.deepEqual([...m!], [0, 0, 0, 0, 0, 0]);
  assert.deepEqual([...v!], [0, 0, 0, 0, 0, 0]);
});

Deno.test("a NaN gradient reaches the weight and the moments", () => {
  for (const i of [0, 4]) {
    const [w, g, m, v] = arrays(4, 5);
    g![i] = NaN;
    adam(w!, w!, g!, m!, v!, ADAM);
    assert.deepEqual([w![i], m![i], v![i]], [NaN, NaN, NaN]);
    assert.equal(w!.filter(Number.isNaN).length, 1);
  }
});

Deno.test("what the momentum buffer held before its first use does not count", () => {
  const [w, g, buffer] = arrays(3, 5);
  g!.fill(2);
  buffer!.fill(NaN);
  sgd(w!, w!, g!, buffer!, { ...SGD, momentum: 0.9, first: true });
  assert.deepEqual([...buffer!], [2, 2, 2, 2, 2]);
});

Deno.test("arrays that do not belong together are refused", () => {
  const [w, g, m, v] = arrays(4, 4);
  const [elsewhere] = arrays(1, 4);
  const plain = new Float32Array(4);
  assert.throws(() => adam(w!, w!, elsewhere!, m!, v!, ADAM), /one slab/);
  assert.throws(() => adam(plain, plain, plain, plain, plain, ADAM), /of an arena/);
  assert.throws(() => adam(w!, w!, g!.subarray(1), m!, v!, ADAM), /differ in length/);
  assert.throws(
    () => sgd(w!.subarray(1), w!.subarray(1), g!.subarray(1), undefined, SGD),
    /multiples of 16/,
  );
  assert.throws(() => sgd(w!, w!, g!, undefined, { ...SGD, momentum: 0.9 }), /needs a buffer/);
});
