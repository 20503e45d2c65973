import assert from "node:assert/strict";
import golden from "../../fixtures/golden/optimizers/updates.json" with { type: "json" };
import * as kernels from "../runtime/mod.ts";
import { Arena, floatsOf } from "../runtime/mod.ts";
import {
  byRule,
  clipFactor,
  initialState,
  type OptimizerConfig,
  type OptimizerKernels,
  optimizerSlots,
  updateParameters,
} from "./optimizer.ts";
import { REFERENCE_KERNELS } from "./optimizer_reference.ts";

/** The error allowed, as a share of the larger of 1 and the value. */
function replay<A extends Float32Array | Float64Array>(
  kernels: OptimizerKernels<A>,
  allocate: (values: readonly number[]) => A,
  tolerance: number,
): void {
  for (const { name, optimizer, after } of golden.cases) {
    const config = optimizer as OptimizerConfig;
    const versions = [allocate(golden.start), allocate(golden.start)] as const;
    const slots = optimizerSlots(config).map(() =>
      allocate(golden.start.map(() => initialState(config)))
    );
    after.forEach((expected, i) => {
      const [weights, out] = i % 2 === 0 ? versions : [versions[1], versions[0]];
      const gradients = allocate(golden.gradients[i]!);
      const arrays = { weights, out, gradients, slots };
      updateParameters(kernels, config, arrays, { rate: config.lr, update: i + 1 });
      expected.forEach((value, element) => {
        const error = Math.abs(out[element]! - value) / Math.max(1, Math.abs(value));
        assert.ok(
          error < tolerance,
          `${name}, update ${i + 1}, element ${element}: off by ${error}`,
        );
      });
    });
  }
}

Deno.test("the reference is PyTorch's definition, update by update", () => {
  replay(REFERENCE_KERNELS, (values) => Float64Array.from(values), 1e-9);
});

Deno.test("the kernels are PyTorch's definition, update by update", () => {
  const arena = new Arena(2 ** 20);
  const allocate = (values: readonly number[]) => {
    const array = floatsOf(arena.allocate(4 * values.length));
    array.set(values);
    return array;
  };
  replay<Float32Array>(kernels, allocate, 1e-5);
});

Deno.test("the kernels are the reference for every length, in place and with a factor", () => {
  for (const { name, optimizer } of golden.cases) {
    const config = {
      ...optimizer,
      ...("eps" in optimizer ? { eps: 1e-3 } : {}),
    } as OptimizerConfig;
    const slots = optimizerSlots(config).length;
    for (const length of [1, 2, 3, 4, 5, 7, 33]) {
      const arena = new Arena((slots + 2) * 256 + 1024);
      const single = Array.from({ length: slots + 2 }, () => arena.allocateFloats(length));
      const double = single.map(() => new Float64Array(length));
      for (const arrays of [single, double]) {
        arrays.forEach((array, i) => array.fill(i < 2 ? 0 : initialState(config)));
        arrays[0]!.forEach((_, i) => arrays[0]![i] = Math.fround(2 + Math.cos(i)));
      }
      for (let update = 1; update <= 30; update++) {
        for (const arrays of [single, double]) {
          arrays[1]!.forEach((_, i) =>
            arrays[1]![i] = Math.fround(Math.sin(i + 0.7 * update) + 0.2)
          );
        }
        const at = { rate: 0.01, update, gradientScale: 0.5 };
        updateParameters<Float32Array>(kernels, config, arraysOf(single), at);
        updateParameters(REFERENCE_KERNELS, config, arraysOf(double), at);
        double[0]!.forEach((expected, i) => {
          const error = Math.abs(single[0]![i]! - expected);
          assert.ok(error < 3e-6, `${name}, length ${length}, update ${update}: off by ${error}`);
        });
      }
    }
  }
});

function arraysOf<A>([weights, gradients, ...slots]: readonly A[]) {
  return { weights: weights!, out: weights!, gradients: gradients!, slots };
}

Deno.test("a parameter of zeros, or without gradient, takes LAMB's whole step or none", () => {
  const lamb = { type: "lamb", lr: 1, betas: [0.9, 0.999], eps: 1e-6, weight_decay: 0 } as const;
  const arena = new Arena(2 ** 12);
  const of = (weight: number, gradient: number) => {
    const arrays = Array.from({ length: 4 }, () => arena.allocateFloats(6));
    arrays[0]!.fill(weight);
    arrays[1]!.fill(gradient);
    updateParameters<Float32Array>(kernels, lamb, arraysOf(arrays), { rate: 0.1, update: 1 });
    return arrays[0]![5]!;
  };
  assert.ok(Math.abs(of(0, 3) + 0.1) < 1e-6);
  assert.equal(of(2, 0), 2);
});

Deno.test("state is kept as PyTorch names it", () => {
  const sgdConfig = { type: "sgd", lr: 1, dampening: 0, nesterov: false, weight_decay: 0 } as const;
  assert.deepEqual(optimizerSlots({ ...sgdConfig, momentum: 0 }), []);
  assert.deepEqual(optimizerSlots({ ...sgdConfig, momentum: 0.9 }), ["momentum_buffer"]);
  const betas = [0.9, 0.999] as const;
  const rmsprop = { type: "rmsprop", lr: 1, alpha: 0.9, eps: 1, weight_decay: 0 } as const;
  assert.deepEqual(optimizerSlots({ ...rmsprop, momentum: 0, centered: false }), ["square_avg"]);
  assert.deepEqual(
    optimizerSlots({ ...rmsprop, momentum: 0.9, centered: true }),
    ["square_avg", "grad_avg", "momentum_buffer"],
  );
  assert.deepEqual(
    optimizerSlots({ type: "adamw", lr: 1, betas, eps: 1e-8, weight_decay: 0 }),
    ["exp_avg", "exp_avg_sq"],
  );
});

Deno.test("the rate and the gradient's factor of an update are used", () => {
  const config = {
    type: "sgd",
    lr: 1,
    momentum: 0,
    dampening: 0,
    nesterov: false,
    weight_decay: 0,
  } as const;
  const weights = Float64Array.of(1);
  const arrays = { weights, out: weights, gradients: Float64Array.of(4), slots: [] };
  updateParameters(REFERENCE_KERNELS, config, arrays, { rate: 0.1, update: 1, gradientScale: 0.5 });
  assert.equal(weights[0], 0.8);
});

Deno.test("a missing array of state is told", () => {
  const config = { type: "adam", lr: 1, betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0 } as const;
  const one = Float64Array.of(1);
  const arrays = { weights: one, out: one, gradients: one, slots: [one] };
  assert.throws(
    () => updateParameters(REFERENCE_KERNELS, config, arrays, { rate: 1, update: 1 }),
    /adam keeps 2 arrays of state, got 1/,
  );
});

Deno.test("the first group that matches a parameter holds for it, in the ratio of its rate", () => {
  const rules = byRule(
    {
      type: "adamw",
      lr: 0.01,
      betas: [0.9, 0.999],
      eps: 1e-8,
      weight_decay: 0.1,
      groups: [
        { match: ["*.bias", "*norm*"], weight_decay: 0 },
        { match: ["head.*"], lr: 0.04 },
      ],
    },
    ["head.weight", "a.weight", "head.bias", "norm.weight"].map((name) => ({ name })),
  );
  assert.deepEqual(
    rules.map(({ rule, parameters }) => [
      parameters.map(({ name }) => name),
      rule.config.weight_decay,
      rule.rateFactor,
    ]),
    [
      [["head.bias", "norm.weight"], 0, 1],
      [["head.weight"], 0.1, 4],
      [["a.weight"], 0.1, 1],
    ],
  );
});

Deno.test("the clip factor is PyTorch's clip_grad_norm_", () => {
  assert.equal(clipFactor(1, 0.25), 1);
  assert.equal(clipFactor(1, 4), 1 / (2 + 1e-6));
  assert.equal(clipFactor(1, 0), 1);
});
