import assert from "node:assert/strict";
import { SCHEMA_SHA256 } from "../gen/transport.ts";
import { generate, schemaHash } from "./generate.ts";

Deno.test("the generated code is of the schema as it stands", async () => {
  assert.equal(
    SCHEMA_SHA256,
    await schemaHash(),
    "transport.capnp has changed: run deno run -A transport/schema/generate.ts",
  );
});

const hasCapnp = await new Deno.Command("capnp", { args: ["--version"] }).output()
  .then(({ success }) => success, () => false);

Deno.test({
  name: "generating the code again changes nothing (needs capnp, Debian's capnproto, on PATH)",
  ignore: !hasCapnp,
  fn: async () => {
    const target = new URL("../gen/transport.ts", import.meta.url);
    assert.equal(await generate(), await Deno.readTextFile(target));
  },
});
