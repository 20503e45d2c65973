import assert from "node:assert/strict";
import { join } from "node:path";
import { TokenFile } from "./token_file.ts";

Deno.test("all who open the file find one secret, which others cannot read", async () => {
  const folder = await Deno.makeTempDir({ prefix: "ravn-token-" });
  try {
    const path = join(folder, "inner", "token");
    using one = await TokenFile.open(path);
    using other = await TokenFile.open(path);
    const token = await one.alone(() => one.token());
    assert.match(token, /^[0-9a-f]{64}$/);
    assert.equal(await other.alone(() => other.token()), token);
    assert.equal(await one.alone(() => one.token()), token);
    if (Deno.build.os !== "windows") {
      assert.equal((await Deno.stat(path)).mode! & 0o777, 0o600);
    }
    await Deno.writeTextFile(path, "damaged");
    assert.notEqual(await one.alone(() => one.token()), token);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("one at a time has the file", async () => {
  const folder = await Deno.makeTempDir({ prefix: "ravn-token-" });
  try {
    const path = join(folder, "token");
    using one = await TokenFile.open(path);
    using other = await TokenFile.open(path);
    const order: string[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    const first = one.alone(async () => {
      await promise;
      order.push("first");
    });
    const second = other.alone(() => Promise.resolve(order.push("second")));
    await new Promise((done) => setTimeout(done, 20));
    resolve();
    await Promise.all([first, second]);
    assert.deepEqual(order, ["first", "second"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
