import assert from "node:assert/strict";
import { numbers, tensor } from "../onnx/mod.ts";
import type { Tensor } from "../onnx/mod.ts";
import { floatsOf, Runtime } from "../runtime/mod.ts";
import type { DeviceMemory, DeviceTensor } from "../runtime/mod.ts";
import { placedTogether } from "./device_groups.ts";
import { DeviceWeights } from "./device_weights.ts";
import { optimizerSlots } from "./optimizer.ts";
import type { OptimizerConfig } from "./optimizer.ts";
import { WeightStore } from "./weight_store.ts";

const runtime = Runtime.open();

const PARAMETERS = [
  { name: "weight", dims: [3, 5], gradient: "d.weight" },
  { name: "scale", dims: [], gradient: "d.scale" },
  { name: "bias", dims: [70], gradient: "d.bias" },
];

const OPTIMIZERS: readonly OptimizerConfig[] = [
  { type: "sgd", lr: 1, momentum: 0, dampening: 0, nesterov: false, weight_decay: 0.1 },
  { type: "sgd", lr: 1, momentum: 0.9, dampening: 0.1, nesterov: false, weight_decay: 0 },
  { type: "adamw", lr: 1, betas: [0.9, 0.99], eps: 1e-8, weight_decay: 0.1 },
  ...[true, false].map((centered) => ({
    ...{ type: "rmsprop", lr: 1, alpha: 0.9, eps: 0.1, weight_decay: 0.1 } as const,
    momentum: centered ? 0.9 : 0,
    centered,
  })),
  {
    ...{ type: "adagrad", lr: 1, lr_decay: 0.1, weight_decay: 0.1 },
    ...{ initial_accumulator_value: 0.2, eps: 1e-8 },
  },
  { type: "lion", lr: 1, betas: [0.9, 0.99], weight_decay: 0.1 },
  { type: "lamb", lr: 1, betas: [0.9, 0.99], eps: 1e-6, weight_decay: 0.1 },
  {
    ...{ type: "adam", lr: 1, betas: [0.9, 0.99], eps: 1e-8, weight_decay: 0.1 },
    groups: [{ match: ["b*"], weight_decay: 0 }, { match: ["scale"], lr: 3 }],
  },
];

function made(dims: readonly number[], seed: number): Tensor {
  const count = dims.reduce((product, dim) => product * dim, 1);
  return tensor("float32", dims, Array.from({ length: count }, (_, i) => Math.sin(i + seed)));
}

function optionsOf(optimizer: OptimizerConfig, accumulates: boolean) {
  const initial = new Map(PARAMETERS.map(({ name, dims }, i) => [name, made(dims, i)]));
  return { runtime, parameters: PARAMETERS, initial, optimizer, versions: 3, accumulates };
}

function assertClose(given: ReadonlyMap<string, Tensor>, expected: ReadonlyMap<string, Tensor>) {
  assert.deepEqual([...given.keys()], [...expected.keys()]);
  for (const [name, value] of expected) {
    const found = given.get(name)!;
    assert.deepEqual(found.dims, value.dims);
    numbers(value).forEach((number, i) => {
      const off = Math.abs(number - numbers(found)[i]!);
      assert.ok(off <= 1e-6 * Math.max(1, Math.abs(number)), `${name}[${i}] is off by ${off}`);
    });
  }
}

Deno.test("updates between versions and in place are those of weights on the host", async () => {
  for (const optimizer of OPTIMIZERS) {
    using memory = await runtime.deviceMemory();
    using device = await DeviceWeights.open({ ...optionsOf(optimizer, true), memory });
    using host = new WeightStore(optionsOf(optimizer, true));
    for (const [update, [from, to]] of [[0, 1], [1, 1], [1, 2], [2, 0], [0, 0]].entries()) {
      for (const first of [true, false]) {
        for (const [i, { gradient, dims }] of PARAMETERS.entries()) {
          const value = made(dims, 7 * update + 3 * i + (first ? 0 : 1));
          host.gradient(gradient, first).bytes.set(value.bytes);
          await memory.upload(device.gradient(gradient, first), value);
        }
        if (!first) await Promise.all([host.accumulate(), device.accumulate()]);
      }
      const at = { rate: 0.01 * (update + 1), update };
      await host.update(from!, to!, at);
      await device.update(from!, to!, at);
      assertClose(await device.gradients(), host.gradients());
      for (const buffer of [from!, to!]) {
        assertClose(await device.tensors(buffer), host.tensors(buffer));
      }
    }
  }
});

Deno.test("the optimizer's state is that of the host, and can be replaced", async () => {
  for (const optimizer of OPTIMIZERS) {
    using memory = await runtime.deviceMemory();
    using device = await DeviceWeights.open({ ...optionsOf(optimizer, false), memory });
    using host = new WeightStore(optionsOf(optimizer, false));
    for (const update of [0, 1]) {
      await setGradients(host, device, memory);
      await host.update(0, 0, { rate: 0.1, update });
      await device.update(0, 0, { rate: 0.1, update });
      const [found, expected] = [await device.state(), host.state()];
      assert.equal(expected.length, optimizerSlots(optimizer).length);
      assert.equal(found.length, expected.length);
      for (const [slot, state] of expected.entries()) {
        const ordered = new Map(PARAMETERS.map(({ name }) => [name, state.get(name)!]));
        assertClose(found[slot]!, ordered);
        const other = [...ordered].map(([name, { dims, bytes }], i) => {
          const value = floatsOf(made(dims, slot + i).bytes).map(Math.abs);
          assert.equal(value.byteLength, bytes.length);
          return [name, value] as const;
        });
        host.replaceState(slot, new Map(other));
        await device.replaceState(slot, new Map(other));
        for (const [name, value] of other) {
          assert.deepEqual(floatsOf(host.state()[slot]!.get(name)!.bytes), value);
        }
      }
    }
    assertClose(await device.tensors(0), host.tensors(0));
  }
});

Deno.test("a factor on the gradients and their norm are those of the host", async () => {
  for (const optimizer of OPTIMIZERS) {
    using memory = await runtime.deviceMemory();
    using device = await DeviceWeights.open({ ...optionsOf(optimizer, false), memory });
    using host = new WeightStore(optionsOf(optimizer, false));
    await setGradients(host, device, memory);
    const squares = host.squaredNorm();
    assert.ok(Math.abs(await device.squaredNorm() - squares) < 1e-5 * squares);
    const at = { rate: 0.1, update: 0, gradientScale: 0.3 };
    await host.update(0, 1, at);
    await device.update(0, 1, at);
    assertClose(await device.tensors(1), host.tensors(1));
  }
});

Deno.test("values are limited as on the host", async () => {
  const options = { ...optionsOf(OPTIMIZERS[0]!, false), clipValue: 0.25 };
  using memory = await runtime.deviceMemory();
  using device = await DeviceWeights.open({ ...options, memory });
  using host = new WeightStore(options);
  await setGradients(host, device, memory);
  await host.update(0, 1, { rate: 1, update: 0 });
  await device.update(0, 1, { rate: 1, update: 0 });
  assertClose(await device.tensors(1), host.tensors(1));
  const [before, after] = [host.tensors(0), host.tensors(1)].map((map) =>
    numbers(map.get("bias")!)
  );
  before!.forEach((weight, i) => assert.ok(Math.abs(0.9 * weight - after![i]!) < 0.25 + 1e-6));
});

async function setGradients(
  host: WeightStore,
  device: DeviceWeights,
  memory: DeviceMemory,
): Promise<void> {
  for (const [i, { gradient, dims }] of PARAMETERS.entries()) {
    const value = made(dims, 5 * i + 1);
    host.gradient(gradient, true).bytes.set(value.bytes);
    await memory.upload(device.gradient(gradient, true), value);
  }
}

Deno.test("each parameter is a view of its own part, with its own shape", async () => {
  using memory = await runtime.deviceMemory();
  using weights = await DeviceWeights.open({ ...optionsOf(OPTIMIZERS[0]!, false), memory });
  for (const [i, { name, dims, gradient }] of PARAMETERS.entries()) {
    assert.ok(weights.has(name) && weights.hasGradient(gradient));
    assert.deepEqual(await downloaded(memory, weights.tensor(0, name)), made(dims, i));
    assert.throws(() => weights.gradient(gradient, false), /one micro-batch an update/);
  }
  assert.ok(!weights.has("d.bias") && !weights.hasGradient("bias"));
});

Deno.test("a stage without parameters has weights that nothing changes", async () => {
  using memory = await runtime.deviceMemory();
  const options = { ...optionsOf(OPTIMIZERS[2]!, true), parameters: [], memory };
  using weights = await DeviceWeights.open(options);
  await weights.accumulate();
  await weights.update(0, 0, { rate: 1, update: 0 });
  assert.equal((await weights.tensors(0)).size, 0);
});

Deno.test("small parameters share a group, large ones and those of WebGPU do not", () => {
  const parameter = (count: number) => ({ name: `${count}`, dims: [count], gradient: "" });
  const small = [parameter(10), parameter(100), parameter(1)];
  const offsets = (placed: ReturnType<typeof placedTogether>) =>
    placed.map((group) => group.map(({ offset }) => offset));
  assert.deepEqual(offsets(placedTogether(small, true)), [[0, 256, 768]]);
  assert.deepEqual(offsets(placedTogether(small, false)), [[0], [0], [0]]);
  const large = [parameter(10), parameter(2 ** 22), parameter(2 ** 23), parameter(5), parameter(5)];
  assert.deepEqual(offsets(placedTogether(large, true)), [[0], [0], [0], [0, 256]]);
});

async function downloaded(memory: DeviceMemory, source: DeviceTensor): Promise<Tensor> {
  return await memory.download(source);
}

Deno.test("other values take the place of a version's weights, on both engines", async () => {
  const options = optionsOf(OPTIMIZERS[0]!, false);
  const values = new Map(PARAMETERS.map(({ name, dims }) => [
    name,
    new Float32Array(dims.reduce((product, dim) => product * dim, 1)).fill(dims.length + 0.5),
  ]));
  const memory = await runtime.deviceMemory();
  using onHost = new WeightStore(options);
  using onDevice = await DeviceWeights.open({ ...options, memory });
  for (const weights of [onHost, onDevice]) {
    await weights.replace(1, values);
    for (const [name, found] of await weights.tensors(1)) {
      assert.deepEqual([...numbers(found)], [...values.get(name)!]);
    }
    assertClose(await weights.tensors(0), options.initial);
  }
});
