import assert from "node:assert/strict";
import { numbers, type Tensor, tensor } from "../onnx/tensor.ts";
import { readSafetensors, writeSafetensors } from "./safetensors.ts";
import { assertRefused } from "./testing.ts";

function joined(pieces: Iterable<Uint8Array>): Uint8Array<ArrayBuffer> {
  return new Uint8Array([...pieces].flatMap((piece) => [...piece]));
}

/** A file with this header, padded to 8 bytes, and `dataBytes` zeros. */
function withHeader(header: string, dataBytes: number): Uint8Array<ArrayBuffer> {
  const text = new TextEncoder().encode(header.padEnd(Math.ceil(header.length / 8) * 8));
  const bytes = new Uint8Array(8 + text.length + dataBytes);
  bytes.set(text, 8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  return bytes;
}

const WEIGHTS = new Map<string, Tensor>([
  ["flag", tensor("bool", [3], [1, 0, 1])],
  ["dense.weight", tensor("float32", [2, 2], [1, 2, 3, -4.5])],
  ["half", tensor("float16", [1], [0.5])],
  ["count", tensor("int64", [], [7])],
  ["dense.bias", tensor("float32", [2], [5, 6])],
]);

Deno.test("writeSafetensors is read back in order, with metadata", () => {
  const metadata = new Map([["format", "pt"], ["seed", "42"]]);
  const read = readSafetensors(joined(writeSafetensors(WEIGHTS, metadata)), "w.safetensors");
  assert.deepEqual([...read.tensors.keys()], [...WEIGHTS.keys()]);
  assert.deepEqual([...read.metadata], [...metadata]);
  for (const [name, { dtype, dims, bytes }] of WEIGHTS) {
    const found = read.tensors.get(name)!;
    assert.deepEqual([found.dtype, found.dims, [...found.bytes]], [dtype, dims, [...bytes]], name);
  }
});

Deno.test("writeSafetensors aligns the data and every tensor in them", () => {
  const bytes = joined(writeSafetensors(WEIGHTS));
  const { tensors } = readSafetensors(bytes, "w.safetensors");
  const dataStart = 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true));
  assert.equal(dataStart % 8, 0);
  for (const [name, width] of [["count", 8], ["dense.bias", 4], ["half", 2]] as const) {
    const { bytes: view } = tensors.get(name)!;
    assert.equal((view.byteOffset - dataStart) % width, 0, name);
    assert.equal(view.buffer, bytes.buffer, "a view, not a copy");
  }
});

Deno.test("writeSafetensors writes the header the format asks for", () => {
  const head = writeSafetensors(new Map([["w", tensor("float32", [1], [1])]]))[0]!;
  const text = new TextDecoder().decode(head.subarray(8));
  assert.equal(text.trimEnd(), '{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}');
  assert.equal(head.length % 8, 0);
});

Deno.test("readSafetensors keeps names that look like numbers or like properties", () => {
  const odd = new Map(
    ["0", "__proto__", 'quo"te', "é"].map((name) => [name, tensor("int8", [1], [1])]),
  );
  const read = readSafetensors(joined(writeSafetensors(odd)), "odd");
  assert.deepEqual([...read.tensors.keys()].sort(), [...odd.keys()].sort());
});

Deno.test("readSafetensors reads tensors of no elements and of bfloat16", () => {
  const header = '{"e":{"dtype":"F32","shape":[0,3],"data_offsets":[0,0]},' +
    '"b":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}';
  const { tensors } = readSafetensors(withHeader(header, 4), "x");
  assert.deepEqual(tensors.get("e")!.dims, [0, 3]);
  assert.equal(tensors.get("b")!.dtype, "bfloat16");
  assert.equal(numbers(tensors.get("e")!).length, 0);
});

Deno.test("readSafetensors refuses damaged files", async () => {
  const refused = (bytes: Uint8Array<ArrayBuffer>, message: RegExp) =>
    assertRefused(() => readSafetensors(bytes, "w.safetensors"), message);
  const one = (entry: string, dataBytes = 4) => withHeader(`{"w":${entry}}`, dataBytes);
  await refused(new Uint8Array(3), /^w\.safetensors: is no safetensors file, or cut short/);
  const long = new Uint8Array(16);
  new DataView(long.buffer).setBigUint64(0, 2n ** 40n, true);
  await refused(long, /header of 1099511627776 bytes in a file of 16/);
  await refused(withHeader("[1]", 0), /header is no JSON object/);
  await refused(withHeader('{"w":', 0), /its header is no JSON/);
  await refused(one('{"dtype":"F32","shape":[1]}'), /"w" lacks dtype, shape or data_offsets/);
  await refused(one('{"dtype":"F8","shape":[1],"data_offsets":[0,4]}'), /element type "F8"; known/);
  await refused(
    one('{"dtype":"F32","shape":[2],"data_offsets":[0,4]}'),
    /"w" \[2\] of float32 takes 8 bytes, its offsets are 0 to 4/,
  );
  await refused(
    one('{"dtype":"F32","shape":[1],"data_offsets":[4,8]}', 8),
    /starts at 4, the one before it ends at 0/,
  );
  await refused(
    one('{"dtype":"F32","shape":[1],"data_offsets":[0,4]}', 9),
    /tensors take 4 bytes, the file has 9/,
  );
  await refused(withHeader('{"__metadata__":{"a":1}}', 0), /no map of text to text/);
});

Deno.test("readSafetensors never fails but with a RavnError, whatever byte is changed", () => {
  const whole = joined(writeSafetensors(WEIGHTS, new Map([["format", "pt"]])));
  for (let at = 0; at < whole.length; at++) {
    for (const value of [0, 0x22, 0x2d, 0x39, 0x7d, 0xff]) {
      const bytes = whole.slice();
      bytes[at] = value;
      try {
        readSafetensors(bytes, "w.safetensors");
      } catch (thrown) {
        assert.equal((thrown as Error).name, "RavnError", `byte ${at}: ${thrown}`);
      }
    }
  }
});
