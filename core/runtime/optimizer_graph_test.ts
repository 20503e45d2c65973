import assert from "node:assert/strict";
import { type Graph, numbers, type Tensor, tensor, writeModel } from "../onnx/mod.ts";
import {
  adam,
  adamGraph,
  adamScalarsTensor,
  type AdamUpdate,
  alignedBytes,
  Arena,
  type DeviceMemory,
  type DeviceTensor,
  floatsOf,
  Runtime,
  SCALARS,
  sgd,
  sgdGraph,
  sgdScalarsTensor,
  type SgdUpdate,
} from "./mod.ts";

const runtime = Runtime.open();
const STEPS = 20;
const PARAMETERS = [
  { name: "dense.weight", dims: [3, 5] },
  { name: "bias", dims: [7] },
  { name: "scale", dims: [] },
];

const countOf = (dims: readonly number[]) => dims.reduce((product, dim) => product * dim, 1);
const weightsOf = (count: number) =>
  Float32Array.from({ length: count }, (_, i) => Math.cos(i) + 2);
const gradientsOf = (count: number, step: number) =>
  Float32Array.from({ length: count }, (_, i) => Math.sin(i + step));

/** A parameter's tensors in device memory, by kind. */
async function onDevice(
  memory: DeviceMemory,
  dims: readonly number[],
  kinds: readonly string[],
): Promise<Map<string, DeviceTensor>> {
  const tensors = new Map<string, DeviceTensor>();
  for (const kind of kinds) {
    const values = kind === "weight" ? weightsOf(countOf(dims)) : new Float32Array(countOf(dims));
    const target = memory.allocate("float32", dims);
    await memory.upload(target, tensor("float32", dims, values));
    tensors.set(kind, target);
  }
  return tensors;
}

/** Runs an optimizer graph in place, as on a device, and returns the weights after each step. */
async function train(
  graph: Graph,
  state: readonly string[],
  scalarsOf: (step: number) => Tensor,
): Promise<number[][]> {
  using memory = await runtime.deviceMemory();
  using session = await runtime.session(writeModel(graph));
  using binding = session.binding();
  const all: { dims: readonly number[]; tensors: Map<string, DeviceTensor> }[] = [];
  for (const { name, dims } of PARAMETERS) {
    const tensors = await onDevice(memory, dims, ["weight", "gradient", ...state]);
    for (const [kind, value] of tensors) binding.input(`${kind}.${name}`, value);
    for (const kind of ["weight", ...state]) {
      binding.output(`new.${kind}.${name}`, tensors.get(kind)!);
    }
    all.push({ dims, tensors });
  }
  const scalars = alignedBytes(scalarsOf(1).bytes.byteLength);
  using value = runtime.value("float32", [scalars.byteLength / 4], scalars);
  const history: number[][] = [];
  for (let step = 1; step <= STEPS; step++) {
    scalars.set(scalarsOf(step).bytes);
    binding.input(SCALARS, value);
    for (const { dims, tensors } of all) {
      const gradients = tensor("float32", dims, gradientsOf(countOf(dims), step));
      await memory.upload(tensors.get("gradient")!, gradients);
    }
    await binding.execute();
    const weights: number[] = [];
    for (const { tensors } of all) {
      weights.push(...numbers(await memory.download(tensors.get("weight")!)));
    }
    history.push(weights);
  }
  for (const { tensors } of all) for (const owned of tensors.values()) owned[Symbol.dispose]();
  return history;
}

/** The same with the kernels. */
function trainWithKernels(
  update: (step: number, arrays: readonly Float32Array[]) => void,
): number[][] {
  const arena = new Arena(1 << 16);
  const all = PARAMETERS.map(({ dims }) => {
    const arrays = arena.allocateTogether(new Array(4).fill(countOf(dims) * 4)).map(floatsOf);
    arrays[0]!.set(weightsOf(countOf(dims)));
    return arrays;
  });
  return Array.from({ length: STEPS }, (_, i) =>
    all.flatMap((arrays) => {
      arrays[1]!.set(gradientsOf(arrays[1]!.length, i + 1));
      update(i + 1, arrays);
      return [...arrays[0]!];
    }));
}

function assertEqual(graph: number[][], kernels: number[][]): void {
  kernels.forEach((weights, step) =>
    weights.forEach((weight, i) => {
      const error = Math.abs(graph[step]![i]! - weight) / Math.abs(weight);
      assert.ok(error <= 1e-6, `step ${step + 1}, weight ${i}: ${graph[step]![i]}, not ${weight}`);
    })
  );
}

for (const decoupled of [false, true]) {
  for (const weightDecay of [0, 0.1]) {
    const of = (step: number): AdamUpdate => ({
      lr: 0.02,
      beta1: 0.9,
      beta2: 0.999,
      eps: 1e-8,
      weightDecay,
      decoupled,
      step,
      gradientScale: 0.5,
    });
    const name = `${decoupled ? "adamw" : "adam"} with decay ${weightDecay}`;
    Deno.test(`${name}: the graph, in place, makes what the kernel makes`, async () => {
      const graph = await train(
        adamGraph(PARAMETERS),
        ["m", "v"],
        (step) => adamScalarsTensor(of(step)),
      );
      const kernels = trainWithKernels((step, [w, g, m, v]) => adam(w!, w!, g!, m!, v!, of(step)));
      assertEqual(graph, kernels);
    });
  }
}

for (
  const [name, o] of Object.entries({
    plain: { momentum: 0, dampening: 0, nesterov: false, weightDecay: 0.1 },
    momentum: { momentum: 0.9, dampening: 0.2, nesterov: false, weightDecay: 0 },
    nesterov: { momentum: 0.9, dampening: 0, nesterov: true, weightDecay: 0.1 },
  })
) {
  const of = (step: number): SgdUpdate => ({ ...o, lr: 0.05, first: step === 1 });
  const momentum = o.momentum > 0;
  Deno.test(`sgd, ${name}: the graph, in place, makes what the kernel makes`, async () => {
    const graph = await train(
      sgdGraph(PARAMETERS, momentum),
      momentum ? ["buffer"] : [],
      (step) => sgdScalarsTensor(of(step)),
    );
    const kernels = trainWithKernels((step, [w, g, buffer]) =>
      sgd(w!, w!, g!, momentum ? buffer : undefined, of(step))
    );
    assertEqual(graph, kernels);
  });
}
