import assert from "node:assert/strict";
import { createShared, openShared } from "./shared_memory.ts";

const ignore = Deno.build.os !== "linux";

Deno.test({
  name: "what one side writes into shared memory, the other reads (needs Linux)",
  ignore,
  fn: () => {
    using made = createShared(10_000)!;
    using opened = openShared(made.name, 10_000)!;
    assert.equal(opened.bytes.every((byte) => byte === 0), true);
    made.bytes.set([1, 2, 3], 4000);
    opened.bytes[9999] = 7;
    assert.deepEqual([...opened.bytes.subarray(4000, 4003)], [1, 2, 3]);
    assert.equal(made.bytes[9999], 7);
  },
});

Deno.test({
  name: "memory that is gone, too small, or something else is not opened (needs Linux)",
  ignore,
  fn: () => {
    const made = createShared(4096)!;
    assert.equal(openShared(made.name, 8192), undefined);
    made[Symbol.dispose]();
    assert.equal(openShared(made.name, 4096), undefined);
    using file = Deno.openSync(new URL(import.meta.url));
    assert.ok(file.readable);
    for (const name of ["", "/etc/passwd", "/proc/self/fd/0", "/proc/1/fd/../../../etc/passwd"]) {
      assert.equal(openShared(name, 16), undefined);
    }
  },
});
