import assert from "node:assert/strict";
import { assignment, clusters, inputFiles, seconds, wholeNumber } from "./values.ts";

Deno.test("wholeNumber takes digits only, from its least value up", () => {
  assert.equal(wholeNumber()("0"), 0);
  assert.equal(wholeNumber(1)("64"), 64);
  for (const text of ["", "-1", "1.5", "1e3", "0x10", " 7", "ten", "99999999999999999999"]) {
    assert.throws(() => wholeNumber()(text), /whole number/, text);
  }
});

Deno.test("clusters are a number, or lists of nodes", () => {
  assert.equal(clusters("2"), 2);
  assert.equal(clusters("0,1;2"), "0,1;2");
  for (const text of ["0", "", "two", "0,1;", ",1", "1.5"]) {
    assert.throws(() => clusters(text), text);
  }
});

Deno.test("seconds takes any number above 0", () => {
  assert.equal(seconds("0.5"), 0.5);
  for (const text of ["", "0", "-1", "soon", "Infinity"]) assert.throws(() => seconds(text), text);
});

Deno.test("assignment splits at the first =", () => {
  assert.deepEqual(assignment("a=b=c", []), [["a", "b=c"]]);
  assert.deepEqual(assignment("b=", [["a", "1"]]), [["a", "1"], ["b", ""]]);
  assert.throws(() => assignment("=1", []), /key=value/);
});

Deno.test("inputFiles is one file, or one for each input", () => {
  assert.equal(inputFiles("x.npy", undefined), "x.npy");
  assert.equal(inputFiles("./a=b/x.npy", undefined), "./a=b/x.npy");
  assert.deepEqual(inputFiles("ids=x.npz#a", undefined), { ids: "x.npz#a" });
  assert.deepEqual(inputFiles("m=y", { ids: "x" }), { ids: "x", m: "y" });
  assert.throws(() => inputFiles("y.npy", "x.npy"), /each/);
  assert.throws(() => inputFiles("y.npy", { ids: "x" }), /each/);
});
