import assert from "node:assert/strict";
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
