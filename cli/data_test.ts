import assert from "node:assert/strict";
import { RavnError } from "../core/error.ts";
import { data } from "./data.ts";
import { optionsOf } from "./testing.ts";

Deno.test("data takes an action and what it is done with", () => {
  assert.deepEqual(optionsOf(data, ["info", "x.npy", "--check"]), {
    action: "info",
    request: { path: "x.npy", check: true },
  });
  assert.deepEqual(optionsOf(data, ["convert", "a", "--to", "b.npy", "--size", "8", "--force"]), {
    action: "convert",
    request: { source: "a", to: "b.npy", size: 8, force: true },
  });
  assert.deepEqual(optionsOf(data, ["sample", "--out", "o", "--part", "validation"]), {
    action: "sample",
    request: { set: [], part: "validation", count: 16, epoch: 0, out: "o" },
  });
  const made = { samples: 1000, length: 6, seed: 42, force: false };
  assert.deepEqual(optionsOf(data, ["make", "sorter", "--out", "."]), {
    action: "make",
    request: { kind: "sorter", out: ".", classes: 3, ...made },
  });
});

Deno.test("data says what is missing", () => {
  const refused = (words: string[], message: RegExp) =>
    assert.throws(() => optionsOf(data, words), (thrown) => {
      assert.ok(thrown instanceof RavnError, String(thrown));
      assert.match(thrown.message, message);
      return true;
    });
  refused(["info"], /data info needs a file or folder/);
  refused(["convert", "x.npy"], /data convert needs --to/);
  refused(["sample"], /data sample needs --out/);
  refused(["make", "sorter"], /data make needs --out/);
  refused(["make", "x", "--out", "."], /expected one of sorter, pictures/);
  assert.throws(() => optionsOf(data, ["show"]), /Allowed choices are info, convert/);
});
