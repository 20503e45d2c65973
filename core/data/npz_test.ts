import assert from "node:assert/strict";
import { numbers } from "../onnx/tensor.ts";
import { readNpz } from "./npz.ts";
import { openRanges } from "./read.ts";
import { assertRefused, fixture, tempFolder } from "./testing.ts";

async function load(path: string, member?: string) {
  using archive = await openRanges(path);
  return await readNpz(archive, member);
}

Deno.test("readNpz reads members that are stored or deflated", async () => {
  for (const file of ["stored.npz", "deflate.npz"]) {
    const x = await load(fixture(`arrays/${file}`), "x");
    assert.deepEqual([x.dtype, x.dims, numbers(x)[23]], ["float32", [4, 3, 2], 23]);
    const y = await load(fixture(`arrays/${file}`), "y");
    assert.deepEqual([y.dtype, [...numbers(y)]], ["int64", [0, 1, 2, 3]]);
  }
});

Deno.test("readNpz takes the only member without a name and lists several", async () => {
  assert.deepEqual((await load(fixture("arrays/alone.npz"))).dims, [4, 3, 2]);
  await assertRefused(
    () => load(fixture("arrays/stored.npz")),
    /holds 2 arrays, write which one is meant: \S+stored\.npz#x, \S+stored\.npz#y$/,
  );
  await assertRefused(
    () => load(fixture("arrays/stored.npz"), "z"),
    /stored\.npz: has no array "z"; it has x, y$/,
  );
});

Deno.test("readNpz refuses archives that are cut or damaged", async () => {
  await using folder = await tempFolder();
  const whole = await Deno.readFile(fixture("arrays/deflate.npz"));
  const refused = async (bytes: Uint8Array, message: RegExp) => {
    const path = await folder.file("bad.npz", bytes);
    await assertRefused(() => load(path, "x"), message);
  };
  await refused(new Uint8Array(3), /bad\.npz: is no zip archive/);
  await refused(new Uint8Array(300), /is no zip archive \(its end record is missing\)/);
  await refused(whole.subarray(0, -30), /is no zip archive/);
  const data = whole.slice();
  data[120]! ^= 0x55;
  await refused(data, /bad\.npz#x\.npy: (is a damaged zip archive|cannot be unpacked)/);
});

Deno.test("readNpz does not unpack more than the directory says", async () => {
  await using folder = await tempFolder();
  const bytes = await Deno.readFile(fixture("arrays/deflate.npz"));
  const view = new DataView(bytes.buffer);
  const end = bytes.length - 22;
  const directory = view.getUint32(end + 16, true);
  view.setUint32(directory + 24, 50, true); // unpacked size of x.npy
  await assertRefused(
    async () => load(await folder.file("a.npz", bytes), "x"),
    /cannot be unpacked/,
  );
  view.setUint32(directory + 24, 0x7fffffff, true);
  await assertRefused(
    async () => load(await folder.file("a.npz", bytes), "x"),
    /packed bytes cannot hold 2147483647/,
  );
});

Deno.test("readNpz fails only with a RavnError, whatever byte is changed", async () => {
  await using folder = await tempFolder();
  const whole = await Deno.readFile(fixture("arrays/deflate.npz"));
  for (let at = whole.length - 130; at < whole.length; at++) {
    const bytes = whole.slice();
    bytes[at]! ^= 0xff;
    const path = await folder.file("bad.npz", bytes);
    try {
      await load(path, "x");
    } catch (thrown) {
      assert.equal((thrown as Error).name, "RavnError", `byte ${at}: ${thrown}`);
    }
  }
});
