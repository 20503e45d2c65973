import assert from "node:assert/strict";
import { nearest } from "./nearest.ts";

Deno.test("the nearest word is the one with the fewest changes", () => {
  const known = ["ram", "bandwidth", "speed"];
  assert.equal(nearest("rma", known), "ram");
  assert.equal(nearest("bandwith", known), "bandwidth");
  assert.equal(nearest("SPEED_", known), "speed");
  assert.equal(nearest("", known), "ram");
  assert.equal(nearest("x".repeat(100_000), ["a"]), "a");
});
