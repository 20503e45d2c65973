import assert from "node:assert/strict";
import { matrixProduct, readEquation } from "./einsum_equation.ts";
import { type Case, testCases } from "./gradient_check_test.ts";

type Dims = readonly (number | "batch")[];

/** Bilinear in its operands: a difference in double precision is exact but for rounding. */
function einsum(equation: string, ...operands: Dims[]): Case {
  return { op: "Einsum", dtype: "float64", attributes: { equation }, operands };
}

testCases("Einsum: products of matrices and stacks of them", [
  einsum("ij,jk->ik", ["batch", 3], [3, 4]),
  einsum("ij,kj->ik", ["batch", 3], [4, 3]),
  einsum("ij,jk->ki", ["batch", 3], [3, 4]),
  einsum("ij,kj->ki", ["batch", 3], [4, 3]),
  einsum("bij,bjk->bik", ["batch", 2, 3], ["batch", 3, 4]),
  einsum("bij,bkj->bik", ["batch", 2, 3], ["batch", 4, 3]),
  einsum("bsd,df->bsf", ["batch", 3, 4], [4, 5]),
  einsum("bsd,fd->bsf", ["batch", 3, 4], [5, 4]),
  einsum("bqd,bkd->bqk", ["batch", 3, 4], ["batch", 5, 4]),
  einsum("bqhd,bkhd->bhqk", ["batch", 3, 2, 4], ["batch", 5, 2, 4]),
  einsum("bhqk,bkhd->bqhd", ["batch", 2, 3, 5], ["batch", 5, 2, 4]),
  { ...einsum("bqhd,bkhd->bhqk", ["batch", 3, 2, 4], ["batch", 5, 2, 4]), dtype: "float32" },
  { ...einsum("bsd,df->bsf", ["batch", 3, 4], [4, 5]), dtype: "float32", step: 0.5 },
  { ...einsum("bij,bkj->bki", ["batch", 2, 3], ["batch", 4, 3]), dtype: "float32", step: 0.5 },
]);

testCases("Einsum: one, three and four operands, sums, outer products, old order", [
  einsum("ij->ji", ["batch", 3]),
  einsum("bij->bi", ["batch", 2, 3]),
  einsum("bij->j", ["batch", 2, 3]),
  einsum("ij->", ["batch", 3]),
  einsum("i,i->", [4], [4]),
  einsum("bi,j->bij", ["batch", 3], [4]),
  einsum("bi,bi->bi", ["batch", 3], ["batch", 3]),
  einsum("bi,bi->b", ["batch", 3], ["batch", 3]),
  einsum("bi,oij,bj->bo", ["batch", 3], [2, 3, 4], ["batch", 4]),
  einsum("i,j,k,ijk->", [2], [3], [2], [2, 3, 2]),
  einsum("ij,jk", ["batch", 3], [3, 4]),
  einsum("zj,ja", ["batch", 3], [3, 4]),
  einsum("Bi, iA -> BA", ["batch", 3], [3, 4]),
  einsum("bi,jk->b", ["batch", 3], [2, 4]),
]);

testCases("Einsum: diagonals and ellipses", [
  einsum("bii->bi", ["batch", 3, 3]),
  einsum("bii->b", ["batch", 3, 3]),
  einsum("ii,ij->j", [3, 3], [3, 4]),
  einsum("...i,...i->...", ["batch", 2, 3], ["batch", 2, 3]),
  einsum("b...i,ij->b...j", ["batch", 2, 3], [3, 4]),
  einsum("...ij,...jk->...ik", ["batch", 2, 2, 3], ["batch", 2, 3, 4]),
  einsum("...ij,...jk->...ik", ["batch", 2, 2, 3], [1, 1, 3, 4]),
  einsum("...ij,jk", ["batch", 2, 3], [3, 4]),
  einsum("...i,...i->...i", ["batch", 2, 3], ["batch", 1, 3]),
]);

Deno.test("an equation without an arrow keeps letters that appear once, in order", () => {
  assert.deepEqual(readEquation("za,aB", [2, 2]).output, ["B", "z"]);
  const { inputs, output } = readEquation("...a,a...", [3, 2]);
  assert.deepEqual(inputs.map(({ length }) => length), [3, 2]);
  assert.deepEqual(output, [inputs[0]![0], inputs[0]![1]]);
});

Deno.test("a product of matrices is recognised", () => {
  const product = (a: string, b: string, y: string) => matrixProduct([...a], [...b], [...y]);
  const plain = { swapped: false, transA: false, transB: false, flattened: 0 };
  assert.deepEqual(product("bij", "bjk", "bik"), plain);
  assert.deepEqual(product("bij", "kj", "bik"), { ...plain, transB: true });
  assert.deepEqual(product("bij", "bkj", "bki"), { ...plain, swapped: true, transB: true });
  assert.deepEqual(product("bsd", "bsf", "df"), { ...plain, transA: true, flattened: 2 });
  assert.equal(product("bqhd", "bkhd", "bhqk"), undefined);
  assert.equal(product("ii", "ij", "ij"), undefined);
  assert.equal(product("ij", "jk", "bik"), undefined);
});
