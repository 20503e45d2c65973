import assert from "node:assert/strict";
import { parseAssignment } from "./assignment.ts";

Deno.test("an assignment keeps the order of clusters and nodes", () => {
  assert.deepEqual(parseAssignment("0,1,2;3,4", 5), [[0, 1, 2], [3, 4]]);
  assert.deepEqual(parseAssignment(" 2 , 0 ; 1 ", 3), [[2, 0], [1]]);
  assert.deepEqual(parseAssignment("0", 1), [[0]]);
});

Deno.test("a wrong assignment is refused, naming the part", () => {
  const cases: [string, number, RegExp][] = [
    ["0,1;2,x", 3, /clusters "0,1;2,x": "x" is not a node id/],
    ["0,1;", 2, /"" is not a node id/],
    ["0,1,1", 2, /node 1 stands in it twice/],
    ["0,3", 2, /there is no node 3: the ids go from 0 to 1/],
    ["0;2", 3, /node 1 is missing/],
    ["-1", 1, /"-1" is not a node id/],
  ];
  for (const [text, count, message] of cases) {
    assert.throws(() => parseAssignment(text, count), message);
  }
});
