import assert from "node:assert/strict";
import { operatorsPage, PAGE } from "./operators.ts";

Deno.test("OPERATORS.md says what the registry says", async () => {
  const written = await Deno.readTextFile(PAGE);
  assert.ok(
    written === operatorsPage(),
    "docs/OPERATORS.md is not up to date; renew it with: deno run -A docs/operators.ts",
  );
});
