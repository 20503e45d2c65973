import assert from "node:assert/strict";
import { byteSize, type Column, duration, grouped, layout, shapeText } from "./table.ts";

interface Row {
  readonly name: string;
  readonly count?: number;
}

const columns: readonly Column<Row>[] = [
  { title: "name", value: (row) => row.name },
  { title: "count", value: (row) => row.count },
];

Deno.test("text stands on the left, numbers on the right, and nothing trails", () => {
  assert.deepEqual(layout(columns, [{ name: "a", count: 7 }, { name: "second", count: 12345 }]), [
    "name     count",
    "a            7",
    "second  12,345",
  ]);
});

Deno.test("a missing value is a dash, and no rows leave the titles", () => {
  assert.deepEqual(layout(columns, [{ name: "a" }]), ["name  count", "a     –"]);
  assert.deepEqual(layout(columns, []), ["name  count"]);
});

Deno.test("numbers as people read them", () => {
  assert.equal(grouped(1234567), "1,234,567");
  assert.deepEqual([0, 1023, 1536, 200 * 2 ** 20].map(byteSize), [
    "0 B",
    "1023 B",
    "1.5 KiB",
    "200 MiB",
  ]);
  assert.deepEqual([0.4, 61, 3725].map(duration), ["0:00", "1:01", "1:02:05"]);
  assert.equal(shapeText(["batch", 1, 8]), "[batch, 1, 8]");
});
