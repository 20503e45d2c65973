import assert from "node:assert/strict";
import { cudaAdvice } from "./provider.ts";

const LIBRARY = "/opt/ort/libonnxruntime.so.1";

Deno.test("a missing CUDA provider: its files, their folder and the command", () => {
  const advice = cudaAdvice(LIBRARY, { exists: () => false, loads: () => true });
  assert.ok(advice.startsWith(
    "libonnxruntime_providers_shared.so and libonnxruntime_providers_cuda.so missing in /opt/ort: ",
  ));
  assert.match(advice, /deno approve-scripts npm:onnxruntime-node/);
  assert.match(advice, /--onnxruntime-node-install=cuda12/);
  assert.match(advice, /RAVN_ORT_LIB/);
});

Deno.test("only the file that is missing is named", () => {
  const exists = (path: string) => path === "/opt/ort/libonnxruntime_providers_shared.so";
  const advice = cudaAdvice(LIBRARY, { exists, loads: () => true });
  assert.match(advice, /^libonnxruntime_providers_cuda\.so missing/);
});

Deno.test("missing CUDA libraries: each by name, with what it belongs to", () => {
  const loads = (name: string) => !["libcudnn.so.9", "libcublas.so.12"].includes(name);
  const advice = cudaAdvice(LIBRARY, { exists: () => true, loads });
  assert.match(advice, /does not find libcublas\.so\.12 \(CUDA 12\), libcudnn\.so\.9 \(cuDNN 9\)/);
  assert.match(advice, /LD_LIBRARY_PATH/);
});

Deno.test("with all libraries the driver is to be checked", () => {
  assert.match(cudaAdvice(LIBRARY, { exists: () => true, loads: () => true }), /nvidia-smi/);
});
