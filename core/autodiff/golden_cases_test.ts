/** What the tests against values of PyTorch share: reading the files, and comparing. */
import assert from "node:assert/strict";
import { readSafetensors } from "../data/mod.ts";
import { numbers, type Tensor } from "../onnx/mod.ts";

/** Tensors by name: what goes in, `y`, `seed`, and `grad.<name>` of what is differentiated for. */
export type Golden = ReadonlyMap<string, Tensor>;

/** The tensors of a file under `fixtures/golden/`, by case. */
export async function goldenCases(file: string): Promise<Map<string, Golden>> {
  const path = new URL(`../../fixtures/golden/${file}`, import.meta.url);
  const { tensors } = readSafetensors(await Deno.readFile(path), path.pathname);
  const cases = new Map<string, Map<string, Tensor>>();
  for (const [name, value] of tensors) {
    const [title, key] = name.split("/") as [string, string];
    if (!cases.has(title)) cases.set(title, new Map());
    cases.get(title)!.set(key, value);
  }
  return cases;
}

/** What a case differentiates for. */
export function differentiatedIn(golden: Golden): string[] {
  return [...golden.keys()].flatMap((key) => key.startsWith("grad.") ? [key.slice(5)] : []);
}

/** Differences may be `tolerance` of the largest element, or of `floor` if that is more. */
export function assertClose(
  actual: Tensor,
  expected: Tensor,
  what: string,
  { tolerance = 1e-5, floor = 0 } = {},
): void {
  assert.deepEqual(actual.dims, expected.dims, what);
  const [a, e] = [numbers(actual), numbers(expected)];
  const scale = Math.max(floor, ...e.map(Math.abs));
  for (let i = 0; i < e.length; i++) {
    const off = Math.abs(a[i]! - e[i]!) / scale;
    assert.ok(off <= tolerance, `${what}[${i}] is ${a[i]}, in PyTorch ${e[i]}`);
  }
}
