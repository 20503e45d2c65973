/**
 * Networks as PyTorch exports them (`fixtures/exports/make_exports.py`): read, traced, put in
 * training form, and their gradients those of PyTorch and of finite differences.
 */
import assert from "node:assert/strict";
import { gradientGraph, trainingForm } from "../core/autodiff/mod.ts";
import { dimsAt, elementCount, numbers, tensor, writeModel } from "../core/onnx/mod.ts";
import type { DType, Graph, Tensor } from "../core/onnx/mod.ts";
import { modelState } from "../core/planning/mod.ts";
import { loadModel } from "../core/run/model_file.ts";
import { verify } from "../core/run/verify.ts";
import { Runtime } from "../core/runtime/mod.ts";

const FOLDER = new URL("../fixtures/exports/", import.meta.url).pathname;

interface Golden {
  readonly inputs: Readonly<
    Record<string, { readonly dtype: DType; readonly dims: number[]; readonly bound?: number }>
  >;
  /** Σ cos(j) g_j, Σ sin(j) g_j and |g| of each gradient g. */
  readonly gradients: Readonly<Record<string, readonly [number, number, number]>>;
}

const golden: Readonly<Record<string, Golden>> = JSON.parse(
  await Deno.readTextFile(`${FOLDER}golden.json`),
);

/** The inputs as the script makes them. */
function inputsOf({ inputs }: Golden): Map<string, Tensor> {
  return new Map(
    Object.entries(inputs).map(([name, { dtype, dims, bound }], k) => {
      const element = (_: unknown, i: number) =>
        bound === undefined ? Math.sin(1.7 * i + k) : (3 * i + k) % bound;
      return [name, tensor(dtype, dims, Array.from({ length: elementCount(dims) }, element))];
    }),
  );
}

function threeNumbers(gradient: Tensor): [number, number, number] {
  let cosines = 0, sines = 0, squares = 0;
  numbers(gradient).forEach((g, j) => {
    cosines += Math.cos(j) * g;
    sines += Math.sin(j) * g;
    squares += g * g;
  });
  return [cosines, sines, Math.sqrt(squares)];
}

/** Ones for masks, and sin(1 + i) for the seeds: L = Σ sin(1 + i) y_i, without dropout. */
function formula(graph: Graph, seeds: ReadonlySet<string>, dims: ReadonlyMap<string, number[]>) {
  return new Map(
    graph.inputs.flatMap(({ name }) => {
      const shape = dims.get(name);
      if (shape === undefined) return [];
      const element = (_: unknown, i: number) => seeds.has(name) ? Math.sin(1 + i) : 1;
      const values = Array.from({ length: elementCount(shape) }, element);
      return [[name, tensor("float32", shape, values)] as const];
    }),
  );
}

/** The gradients of all trained tensors, by name. */
async function gradientsOf(name: string): Promise<Map<string, Tensor>> {
  const inputs = inputsOf(golden[name]!);
  const batch = inputs.values().next().value!.dims[0]!;
  const runtime = Runtime.open();
  const file = `${FOLDER}${name}.onnx`;
  const { graph, facts } = await loadModel(file, runtime.evaluate, () => ({ inputs }));
  const form = trainingForm(graph, facts, { statistics: true, maskAs: "input" });
  const wrt = [...modelState(graph).trainable];
  const outputs = graph.outputs.map((output) => output.name);
  const whole = gradientGraph(form.graph, form.facts, { outputs, wrt });
  const dims = new Map([
    ...form.masks.map((mask) => [mask.input, dimsAt(mask.dims, batch)] as const),
    ...[...whole.seeds].map(([output, seed]) =>
      [seed, dimsAt(form.facts.get(output)!.dims, batch)] as const
    ),
  ]);
  const feeds = new Map([
    ...inputs,
    ...wrt.map((parameter) => [parameter, graph.initializers.get(parameter)!] as const),
    ...formula(whole.graph, new Set(whole.seeds.values()), dims),
  ]);
  const values = await runtime.evaluate(writeModel(whole.graph), feeds);
  return new Map([...whole.gradients].map(([value, made]) => [value, values.get(made)!]));
}

for (const name of Object.keys(golden)) {
  Deno.test(`${name}: gradients are those of PyTorch`, async () => {
    const gradients = await gradientsOf(name);
    const { gradients: expected } = golden[name]!;
    const scale = Math.max(...Object.values(expected).map(([, , norm]) => norm));
    for (const [parameter, numbersOfTorch] of Object.entries(expected)) {
      const gradient = gradients.get(parameter);
      // Tied to the embedding again, whose gradient is the sum of both.
      if (gradient === undefined && parameter.startsWith("onnx::MatMul")) continue;
      assert.ok(gradient, `${parameter} is not trained`);
      const found = threeNumbers(gradient);
      numbersOfTorch.forEach((value, i) => {
        const off = Math.abs(found[i]! - value);
        const floor = 1e-5 * scale;
        assert.ok(
          off < 1e-4 * numbersOfTorch[2] + floor,
          `${parameter}: number ${i} is ${found[i]}, in PyTorch ${value}`,
        );
      });
    }
  });

  Deno.test(`${name}: ravn verify passes`, async () => {
    const model = `${FOLDER}${name}.onnx`;
    const terms = { batch: 4, seed: 1, tolerance: 0.01, seconds: 60 };
    const { verdict, rows } = await verify({ model, ...terms });
    const wrong = rows.filter(({ verdict }) => verdict === "differs");
    assert.equal(verdict, "pass", JSON.stringify(wrong));
  });
}
