import assert from "node:assert/strict";
import { numbers } from "../onnx/tensor.ts";
import { parseNumber } from "./csv_cells.ts";
import { readCsv } from "./csv.ts";
import { assertRefused } from "./testing.ts";

function read(text: string, selection?: string, file = "t.csv") {
  const { dtype, dims, bytes } = readCsv(new TextEncoder().encode(text), file, selection);
  return { dtype, dims, values: [...numbers({ dtype, dims, bytes })] };
}

function refused(text: string, message: RegExp, selection?: string): Promise<void> {
  return assertRefused(() => read(text, selection), message);
}

Deno.test("readCsv reads integers as int64 and everything else as float64", () => {
  assert.deepEqual(read("1,2\n3,-4\n"), { dtype: "int64", dims: [2, 2], values: [1, 2, 3, -4] });
  assert.deepEqual(read("1,2.5\n3,4"), { dtype: "float64", dims: [2, 2], values: [1, 2.5, 3, 4] });
  assert.equal(read("1.0\n2.0").dtype, "float64");
  assert.deepEqual(read("7\n8\n"), { dtype: "int64", dims: [2], values: [7, 8] });
});

Deno.test("readCsv takes a header, CRLF, quotes, blanks, empty lines and a byte order mark", () => {
  const text = '\ufeffa,"b ""x"", y"\r\n\r\n 1 ,"2"\r\n3, 4\r\n\r\n';
  assert.deepEqual(read(text).values, [1, 2, 3, 4]);
  assert.deepEqual(read(text, "a").values, [1, 3]);
});

Deno.test("readCsv knows semicolons and tabs", () => {
  assert.deepEqual(read("1;2\n3;4").dims, [2, 2]);
  assert.deepEqual(read("1\t2\n3\t4", undefined, "t.tsv").dims, [2, 2]);
});

Deno.test("readCsv selects columns by name, number and range, in the order asked for", () => {
  const text = "x,y,z,label\n1,2,3,0\n4,5,6,1\n";
  assert.deepEqual(read(text, "label").values, [0, 1]);
  assert.deepEqual(read(text, "z,x").values, [3, 1, 6, 4]);
  assert.deepEqual(read(text, "x..z").values, [1, 2, 3, 4, 5, 6]);
  assert.deepEqual(read(text, "2..").dims, [2, 3]);
  assert.deepEqual(read(text, "..2,4").values, [1, 2, 0, 4, 5, 1]);
  assert.deepEqual(read("10,20\n30,40", "2").values, [20, 40]);
});

Deno.test("readCsv reads only the selected columns, so that the others may hold text", () => {
  assert.deepEqual(read("name,n\nann,1\nbob,2\n", "n").values, [1, 2]);
});

Deno.test("readCsv names line and column of what is wrong", async () => {
  const head = "x,y\n";
  await refused(
    head + "1,2\n3,abc\n",
    /^t\.csv: line 3, column 2 \(y\): "abc" is no finite number$/,
  );
  await refused("1,2\n3,\n", /line 2, column 2: expected a number, the cell is empty/);
  await refused(head + "1,nan\n", /line 2, column 2 \(y\): "nan" is no finite number/);
  await refused(head + "1,1e999\n", /"1e999" is no finite number/);
  await refused(head + "1,2,3\n", /line 2: has 3 columns, the first line has 2/);
  await refused(head + "1,2,3,4\n", /line 2: has more columns, the first line has 2/);
  await refused(head + "1\n", /line 2: has 1 columns, the first line has 2/);
  await refused(head + '1,"2\n3\n', /line 2: the quote is never closed/);
  await refused(head + '1,"2"3\n', /line 2, column 2: text behind the quote/);
  await refused('x,"y\ny"\n1,2\n3,q\n', /line 4, column 2/);
  await refused("", /is empty/);
  await refused(head + "1,2\n", /has no column "q"; it has x, y$/, "x,q");
  await refused("1,2\n", /has no column "3"; it has 1 to 2 \(the file has no header\)$/, "3");
  await refused(head + "1,2\n", /column "1\.\.2" is selected twice/, "x,1..2");
});

Deno.test("parseNumber agrees with Number for decimal numbers and refuses the rest", () => {
  const parse = (text: string) => {
    const bytes = new TextEncoder().encode(`,${text},`);
    return parseNumber(bytes, 1, bytes.length - 1);
  };
  const good = [
    "0",
    "-0",
    "+5",
    ".5",
    "5.",
    "-12.75",
    "0.1",
    "123456789012345",
    "3.14159265358979",
  ];
  const wide = [
    "12345678901234567890",
    "0.12345678901234567",
    "1e-7",
    "-2.5E+3",
    "1e22",
    "9.007e15",
  ];
  for (const text of [...good, ...wide]) assert.ok(Object.is(parse(text), Number(text)), text);
  for (const text of ["", "-", ".", "1e", "0x10", "1_0", "Infinity", "1 2", "--1", "1.2.3", "e5"]) {
    assert.ok(Number.isNaN(parse(text)), text);
  }
});

Deno.test("readCsv takes no more memory than the text can fill", () => {
  const wide = `${Array(2000).fill("1").join(",")}\n${"\n".repeat(50_000)}`;
  assert.deepEqual(read(wide).dims, [1, 2000]);
});
