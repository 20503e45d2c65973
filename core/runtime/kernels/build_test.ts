import assert from "node:assert/strict";
import { compileKernels, kernelsModule } from "./build.ts";
import { KERNELS_WASM } from "./kernels_wasm.ts";

Deno.test("the committed kernels are what their source compiles to", async () => {
  const wasm = await compileKernels();
  assert.equal(wasm.toBase64(), KERNELS_WASM, "run deno run -A core/runtime/kernels/build.ts");
  const committed = await Deno.readTextFile(new URL("kernels_wasm.ts", import.meta.url));
  assert.equal(committed, kernelsModule(wasm));
});
