import assert from "node:assert/strict";
import golden from "../../fixtures/golden/optimizers/updates.json" with { type: "json" };
import { adam, Arena, floatsOf, sgd } from "../runtime/mod.ts";
import {
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
    const slots = optimizerSlots(config).map(() => allocate(golden.start.map(() => 0)));
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
  const kernels: OptimizerKernels<Float32Array> = { adam, sgd };
  const arena = new Arena(2 ** 20);
  const allocate = (values: readonly number[]) => {
    const array = floatsOf(arena.allocate(4 * values.length));
    array.set(values);
    return array;
  };
  replay(kernels, allocate, 1e-5);
});

Deno.test("state is kept as PyTorch names it", () => {
  const sgdConfig = { type: "sgd", lr: 1, dampening: 0, nesterov: false, weight_decay: 0 } as const;
  assert.deepEqual(optimizerSlots({ ...sgdConfig, momentum: 0 }), []);
  assert.deepEqual(optimizerSlots({ ...sgdConfig, momentum: 0.9 }), ["momentum_buffer"]);
  const betas = [0.9, 0.999] as const;
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
