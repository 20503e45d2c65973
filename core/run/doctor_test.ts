import assert from "node:assert/strict";
import { doctor } from "./doctor.ts";

Deno.test("every check passes where ravn works", async () => {
  const checks = await Array.fromAsync(doctor());
  assert.deepEqual(
    checks.map(({ name }) => name),
    ["library", "training step", "socket", "data worker"],
  );
  for (const { name, ok, detail } of checks) assert.ok(ok, `${name}: ${detail}`);
});
