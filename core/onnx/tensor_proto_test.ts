import { create } from "@bufbuild/protobuf";
import assert from "node:assert/strict";
import { type TensorProto, TensorProto_SegmentSchema, TensorProtoSchema } from "onnx-buf";
import { RavnError } from "../error.ts";
import { ExternalData } from "./external_data.ts";
import { protoOfTensor, tensorOfProto } from "./tensor_proto.ts";
import { type DType, DTYPES, numbers, tensor } from "./tensor.ts";

const none = new ExternalData(undefined);

type Fields = Partial<Omit<TensorProto, "$typeName" | "$unknown" | "dims">>;

function proto(dtype: DType | number, dims: readonly number[], fields: Fields): TensorProto {
  const dataType = typeof dtype === "number" ? dtype : DTYPES[dtype].code;
  return create(TensorProtoSchema, { ...fields, dataType, dims: dims.map(BigInt) });
}

function read(message: TensorProto) {
  return tensorOfProto(message, none, "m.onnx: initializer 'w'");
}

Deno.test("a tensor goes through raw_data unchanged and uncopied", () => {
  const value = tensor("float32", [2, 3], [1, 2, 3, 4, 5, 6]);
  const again = read(protoOfTensor("w", value));
  assert.deepEqual(again, value);
  assert.equal(again.bytes.buffer, value.bytes.buffer);
  const empty = tensor("float32", [0, 3], []);
  assert.deepEqual(read(protoOfTensor("w", empty)), empty);
});

Deno.test("the typed fields hold the types that onnx.proto assigns to them", () => {
  const narrow = ["int32", "int16", "int8", "uint16", "uint8", "bool"] as const;
  for (const dtype of narrow) {
    const made = read(proto(dtype, [3], { int32Data: [1, 0, 1] }));
    assert.deepEqual(made, tensor(dtype, [3], [1, 0, 1]), dtype);
  }
  const cases: [DType, Fields, number[]][] = [
    ["float32", { floatData: [0.5, -1, 2] }, [0.5, -1, 2]],
    ["float64", { doubleData: [0.1, -1, 2] }, [0.1, -1, 2]],
    ["int64", { int64Data: [-5n, 0n, 2n ** 40n] }, [-5, 0, 2 ** 40]],
    ["uint64", { uint64Data: [5n, 0n, 2n ** 40n] }, [5, 0, 2 ** 40]],
    ["uint32", { uint64Data: [5n, 0n, 2n ** 32n - 1n] }, [5, 0, 2 ** 32 - 1]],
    // The bits of 1, -2 and 0.5 as IEEE half precision.
    ["float16", { int32Data: [0x3c00, 0xc000, 0x3800] }, [1, -2, 0.5]],
  ];
  for (const [dtype, fields, values] of cases) {
    const made = read(proto(dtype, [3], fields));
    assert.equal(made.dtype, dtype);
    assert.deepEqual([...numbers(made)], values, dtype);
  }
  const brain = read(proto("bfloat16", [2], { int32Data: [0x3f80, 0xc000] }));
  assert.deepEqual([...brain.bytes], [0x80, 0x3f, 0x00, 0xc0]);
});

Deno.test("a scalar has one value", () => {
  assert.deepEqual(read(proto("float32", [], { floatData: [3] })), tensor("float32", [], [3]));
});

Deno.test("data that does not fit the shape is refused with both sizes", () => {
  const refused = (message: TensorProto, pattern: RegExp) =>
    assert.throws(() => read(message), (e) => e instanceof RavnError && pattern.test(e.message));
  refused(proto("float32", [3], { floatData: [1, 2] }), /'w': its shape needs 3 values.* has 2/);
  refused(proto("float32", [2], { rawData: new Uint8Array(7) }), /needs 8 bytes, the file has 7/);
  refused(proto("float32", [2], {}), /needs 2 values, the file has 0/);
  refused(proto("float32", [-1], {}), /\[-1\] is not the shape of a tensor/);
  refused(proto("float32", [2 ** 40, 2 ** 40], {}), /is not the shape/);
  refused(proto(14, [1], {}), /element type code 14 is not supported; known are float32/);
  refused(proto("string", [1], { stringData: [new Uint8Array(1)] }), /element type string/);
  refused(proto(0, [1], {}), /element type undefined/);
  refused(
    proto("float32", [1], { segment: create(TensorProto_SegmentSchema, {}) }),
    /stored in segments/,
  );
});
