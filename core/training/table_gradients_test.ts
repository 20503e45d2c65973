import assert from "node:assert/strict";
import { elementCount, tensor } from "../onnx/mod.ts";
import { RavnError } from "../error.ts";
import { Random } from "../random.ts";
import { alignedBytes, floatsOf, Runtime } from "../runtime/mod.ts";
import type { Value } from "../runtime/mod.ts";
import { bytesBeside, TableGradients } from "./table_gradients.ts";
import type { RowsLeft } from "./table_rows.ts";
import { WeightStore } from "./weight_store.ts";

const HEIGHT = 100;
const WIDTH = 65;
const GRADIENT = "gradient_of.table";

/** A table to which `count` rows a sample are added, that a graph leaves or was given. */
function tableOf(count: number, batch: number, isLeft: boolean) {
  const runtime = Runtime.open();
  const dims = [{ perSample: count }];
  const left: RowsLeft = {
    models: {},
    written: new Set(),
    rows: new Map([["backward", [{
      gradient: GRADIENT,
      height: HEIGHT,
      rows: { value: "rows", dtype: "float32", dims: [...dims, WIDTH], isLeft },
      indices: { value: "indices", dtype: "int64", dims, isLeft: false },
    }]]]),
  };
  const zeros = new Float32Array(HEIGHT * WIDTH);
  const weights = new WeightStore({
    runtime,
    parameters: [{ name: "table", dims: [HEIGHT, WIDTH], gradient: GRADIENT }],
    initial: new Map([["table", tensor("float32", [HEIGHT, WIDTH], zeros)]]),
    optimizer: { type: "sgd", lr: 1, momentum: 0, dampening: 0, nesterov: false, weight_decay: 0 },
    versions: 1,
    accumulates: true,
    beside: bytesBeside(left, batch),
  });
  const tables = new TableGradients({ runtime, weights, left, batch });
  const given = (dtype: "float32" | "int64", dims: number[]): Value =>
    runtime.value(dtype, dims, alignedBytes(elementCount(dims) * (dtype === "int64" ? 8 : 4)));
  return {
    weights,
    tables,
    given,
    [Symbol.dispose]: () => {
      tables[Symbol.dispose]();
      weights[Symbol.dispose]();
    },
  };
}

Deno.test("many rows are added up in slices, wherever they lie", async () => {
  const random = new Random(7);
  // Rows of more elements than are copied, or added up, at one go.
  for (const [count, isLeft] of [[700, false], [700, true], [20_000, true]] as const) {
    const [batch, samples] = count > 1000 ? [1, 1] : [3, 2];
    using table = tableOf(count, batch, isLeft);
    const { weights, tables, given } = table;
    const indices = given("int64", [samples * count]);
    const rows = tables.tensor("rows", samples) ?? given("float32", [samples * count, WIDTH]);
    const { buffer, byteOffset } = indices.bytes;
    const numbers = new BigInt64Array(buffer, byteOffset, samples * count);
    const expected = new Float32Array(HEIGHT * WIDTH);
    for (let run = 0; run < 3; run++) {
      // The third run opens an update, which forgets the two before.
      if (run === 2) expected.fill(0);
      const floats = floatsOf(rows.bytes);
      for (let i = 0; i < floats.length; i++) floats[i] = random.normal();
      numbers.forEach((_, i) => {
        const row = random.integer(HEIGHT - 10 * run);
        numbers[i] = BigInt(i % 2 === 0 ? row : row - HEIGHT);
        for (let j = 0; j < WIDTH; j++) expected[row * WIDTH + j]! += floats[i * WIDTH + j]!;
      });
      const valueOf = (value: string) => value === "rows" ? rows : indices;
      await tables.add("backward", { samples, first: run !== 1, valueOf });
      const found = floatsOf(weights.gradient(GRADIENT, true).bytes);
      assert.deepEqual([...found], [...expected], `${count} rows, run ${run}`);
    }
    const partial = floatsOf(weights.gradient(GRADIENT, false).bytes);
    assert.ok(partial.every((value) => value === 0), "there is nothing else to add");
  }
});

Deno.test("an index outside the table is refused, should a graph let it pass", async () => {
  using table = tableOf(1, 1, true);
  const { tables, given } = table;
  const indices = given("int64", [1]);
  indices.bytes[0] = HEIGHT;
  const add = tables.add("backward", { samples: 1, first: true, valueOf: () => indices });
  await assert.rejects(add, (error) => error instanceof RavnError && /outside/.test(error.message));
});
