import { create } from "@bufbuild/protobuf";
import assert from "node:assert/strict";
import { StringStringEntryProtoSchema } from "onnx-buf";
import { RavnError } from "../error.ts";
import { checkedLocation, ExternalData } from "./external_data.ts";

const what = "m.onnx: initializer 'w'";

function entries(fields: Record<string, string>) {
  return Object.entries(fields).map(([key, value]) =>
    create(StringStringEntryProtoSchema, { key, value })
  );
}

function refused(run: () => unknown, pattern: RegExp): void {
  assert.throws(run, (e) => e instanceof RavnError && pattern.test(e.message));
}

Deno.test("a data file is read once and tensors are views of it", () => {
  const asked: string[] = [];
  const file = Uint8Array.from({ length: 100 }, (_, i) => i);
  const data = new ExternalData((location) => {
    asked.push(location);
    return file;
  });
  const some = data.bytesOf(
    entries({ location: "weights/a.bin", offset: "8", length: "4" }),
    4,
    what,
  );
  assert.deepEqual([...some], [8, 9, 10, 11]);
  assert.equal(some.buffer, file.buffer);
  // Offset and length may be left out.
  assert.equal(data.bytesOf(entries({ location: "weights/a.bin" }), 100, what).byteLength, 100);
  assert.deepEqual(asked, ["weights/a.bin"]);
});

Deno.test("locations outside the model's folder are refused", () => {
  for (
    const location of [
      "",
      "/etc/passwd",
      "../weights.bin",
      "a/../../b",
      "a\\..\\..\\b",
      "\\\\host\\share",
      "C:\\weights",
      "c:weights",
      "a\0b",
      "..",
    ]
  ) {
    refused(() => checkedLocation(location, what), /must be a path inside the model's folder/);
    const data = new ExternalData(() => assert.fail("the file must not be asked for"));
    refused(() => data.bytesOf(entries({ location }), 4, what), /inside the model's folder/);
  }
  for (const location of ["w.bin", "a/b.bin", "a..b", ".hidden", "./w.bin"]) {
    assert.equal(checkedLocation(location, what), location);
  }
});

Deno.test("a data file that is too short or described wrongly is refused", () => {
  const data = new ExternalData(() => new Uint8Array(10));
  const read = (fields: Record<string, string>, bytes: number) => () =>
    data.bytesOf(entries({ location: "w.bin", ...fields }), bytes, what);
  refused(read({}, 11), /'w': its data would end at byte 11 of 'w.bin', which has 10/);
  refused(read({ offset: "8" }, 4), /end at byte 12/);
  refused(read({ length: "3" }, 4), /needs 4 bytes, but the model says that 'w.bin' has 3/);
  refused(read({ offset: "-1" }, 4), /offset '-1' is not a number of bytes/);
  refused(read({ offset: "99999999999999999999" }, 4), /is not a number of bytes/);
  refused(
    () => new ExternalData(undefined).bytesOf(entries({ location: "w.bin" }), 4, what),
    /its data is in 'w.bin', which cannot be read from here/,
  );
});
