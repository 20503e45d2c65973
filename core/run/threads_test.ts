import assert from "node:assert/strict";
import { automaticThreads } from "./threads.ts";

Deno.test("a provider has twice its share of the cores, and fewer where it has less to do", () => {
  const threads = (here: number, load: number, cores: number) =>
    automaticThreads(here, load, cores);
  assert.equal(threads(1, 1, 8), 8);
  assert.equal(threads(3, 1, 2), 2);
  assert.equal(threads(3, 0.58, 2), 1);
  assert.equal(threads(3, 0.8, 2), 2);
  assert.equal(threads(3, 0.02, 2), 1);
  assert.equal(threads(4, 1, 16), 8);
  assert.equal(threads(4, 0.5, 16), 4);
  assert.equal(threads(100, 1, 4), 1);
});
