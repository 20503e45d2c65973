import assert from "node:assert/strict";
import { GraphBuilder, tensor, writeModel } from "../onnx/mod.ts";
import { Api } from "./api.ts";
import { Runtime } from "./mod.ts";

Deno.test("a process has one thread pool: joining it is free, changing it is refused", () => {
  const first = Runtime.open();
  assert.equal(first.threads, navigator.hardwareConcurrency);
  assert.match(first.version, /^1\.\d+\.\d+$/);
  assert.equal(Runtime.open({ threads: first.threads }).threads, first.threads);
  assert.throws(() => Runtime.open({ threads: first.threads + 1 }), {
    name: "RavnError",
    message: new RegExp(
      `already computes with ${first.threads} threads and cannot change to ${first.threads + 1}`,
    ),
  });
  assert.throws(() => Runtime.open({ threads: 0 }), /at least 1, got 0/);
  assert.throws(() => Runtime.open({ library: "/other.so" }), /cannot load \/other\.so as well/);
});

Deno.test("sessions of one thread compute the same beside those of the pool", async () => {
  const runtime = Runtime.open();
  const single = runtime.oneThread();
  assert.equal(single.threads, 1);
  assert.equal(single.library, runtime.library);
  const x = tensor("float32", [64, 64], Float32Array.from({ length: 4096 }, (_, i) => i % 7));
  const builder = new GraphBuilder("square");
  const name = builder.input("x", "float32", [64, 64]);
  builder.output(builder.node("MatMul", [name, name]), "float32", [64, 64]);
  const model = writeModel(builder.build());
  const [found, expected] = await Promise.all(
    [single, runtime].map(async ({ evaluate }) => [...await evaluate(model, new Map([["x", x]]))]),
  );
  assert.deepEqual(found, expected);
});

Deno.test("a file that is no ONNX Runtime is refused on one line", () => {
  const path = Deno.makeTempFileSync({ suffix: ".so" });
  try {
    Deno.writeTextFileSync(path, "no library");
    assert.throws(() => Api.load(path), (thrown: Error) => {
      assert.match(thrown.message, /^cannot load ONNX Runtime from .*RAVN_ORT_LIB/);
      assert.ok(!thrown.message.includes("\n"));
      return true;
    });
  } finally {
    Deno.removeSync(path);
  }
});

Deno.test("nothing is loaded before the first use", async () => {
  const module = new URL("mod.ts", import.meta.url).href;
  const code = `await import("${module}"); ` +
    `const maps = Deno.build.os === "linux" ? Deno.readTextFileSync("/proc/self/maps") : ""; ` +
    `Deno.exit(maps.includes("onnxruntime") ? 1 : 0);`;
  const { code: exit } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-check", code],
    cwd: new URL("../..", import.meta.url),
  }).output();
  assert.equal(exit, 0);
});
