import assert from "node:assert/strict";
import { checkDirectory, prepareDirectory, unixPath } from "./unix_path.ts";

const hasUnix = Deno.build.os !== "windows";

Deno.test({
  name: "the place of a socket follows from token and port, and gives the token away to nobody",
  ignore: !hasUnix,
  fn: async () => {
    const [a, b, other, port] = await Promise.all([
      unixPath("secret", 8080),
      unixPath("secret", 8080),
      unixPath("other", 8080),
      unixPath("secret", 8081),
    ]);
    assert.deepEqual(a, b);
    assert.ok(a.path !== undefined && other.path !== undefined && port.path !== undefined);
    assert.match(a.path, /\/ravn-\d+\/[0-9a-f]{16}-8080\.sock$/);
    assert.equal(new Set([a.path, other.path, port.path]).size, 3);
    assert.ok(!a.path.includes("secret"));
  },
});

Deno.test({
  name: "sockets lie only in a folder that nobody else can enter",
  ignore: !hasUnix,
  fn: () => {
    const base = Deno.makeTempDirSync();
    const directory = `${base}/ravn`;
    assert.equal(prepareDirectory(directory), undefined);
    assert.equal(Deno.statSync(directory).mode! & 0o777, 0o700);
    assert.equal(prepareDirectory(directory), undefined);
    Deno.chmodSync(directory, 0o750);
    assert.match(checkDirectory(directory)!, /is open to others$/);
    Deno.writeTextFileSync(`${base}/file`, "");
    assert.match(checkDirectory(`${base}/file`)!, /is not a folder$/);
    Deno.symlinkSync(directory, `${base}/link`);
    assert.match(checkDirectory(`${base}/link`)!, /is not a folder$/);
    assert.match(prepareDirectory(`${base}/none/none`)!, /No such file/);
    Deno.removeSync(base, { recursive: true });
  },
});
