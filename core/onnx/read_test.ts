import { create, toBinary } from "@bufbuild/protobuf";
import assert from "node:assert/strict";
import {
  FunctionProtoSchema,
  type GraphProto,
  GraphProtoSchema,
  type ModelProto,
  ModelProtoSchema,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  SparseTensorProtoSchema,
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  TypeProto_SequenceSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from "onnx-buf";
import { RavnError } from "../error.ts";
import { protoOfAttribute } from "./attribute_proto.ts";
import type { Attribute } from "./graph.ts";
import { readModel } from "./read.ts";
import { protoOfTensor } from "./tensor_proto.ts";
import { numbers, tensor } from "./tensor.ts";

function info(name: string, dims: readonly (number | string)[], elemType = 1): ValueInfoProto {
  const shape = create(TensorShapeProtoSchema, {
    dim: dims.map((dim) =>
      create(TensorShapeProto_DimensionSchema, {
        value: typeof dim === "number"
          ? { case: "dimValue", value: BigInt(dim) }
          : dim === ""
          ? { case: undefined }
          : { case: "dimParam", value: dim },
      })
    ),
  });
  return create(ValueInfoProtoSchema, {
    name,
    type: create(TypeProtoSchema, {
      value: { case: "tensorType", value: create(TypeProto_TensorSchema, { elemType, shape }) },
    }),
  });
}

function nodeProto(
  opType: string,
  input: string[],
  output: string[],
  attributes: Record<string, Attribute> = {},
  name = "",
) {
  const attribute = Object.entries(attributes).map(([key, value]) =>
    protoOfAttribute(key, value, () => assert.fail())
  );
  return create(NodeProtoSchema, { opType, input, output, name, attribute });
}

type GraphFields = Partial<
  Pick<
    GraphProto,
    "node" | "input" | "output" | "initializer" | "sparseInitializer" | "valueInfo"
  >
>;

function model(graph: GraphFields, fields: Partial<Pick<ModelProto, "functions">> = {}) {
  return toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, {
      irVersion: 8n,
      opsetImport: [create(OperatorSetIdProtoSchema, { domain: "ai.onnx", version: 17n })],
      graph: create(GraphProtoSchema, {
        name: "g",
        input: [info("x", ["n", 2])],
        output: [info("y", ["n", 2])],
        ...graph,
      }),
      ...fields,
    }),
  );
}

function read(bytes: Uint8Array) {
  return readModel(bytes, { file: "m.onnx" });
}

function refused(bytes: Uint8Array, pattern: RegExp): void {
  assert.throws(() => read(bytes), (e) => {
    assert.ok(e instanceof RavnError, `${e}`);
    assert.match(e.message, pattern);
    assert.ok(!e.message.includes("\n"));
    return true;
  });
}

Deno.test("initializers among the inputs, as in old files, are not inputs", () => {
  const graph = read(model({
    node: [nodeProto("Add", ["x", "w"], ["y"])],
    input: [info("x", ["n", 2]), info("w", [2])],
    initializer: [protoOfTensor("w", tensor("float32", [2], [1, 2]))],
  }));
  assert.deepEqual(graph.inputs, [{ name: "x", dtype: "float32", shape: ["n", 2] }]);
  assert.deepEqual([...graph.initializers.keys()], ["w"]);
  assert.deepEqual([...graph.opsets], [["", 17]]);
});

Deno.test("dimensions without size and name get a name of their own", () => {
  const graph = read(model({
    node: [nodeProto("Add", ["x", "z"], ["y"])],
    input: [info("x", ["", 2]), info("z", [-1, ""])],
  }));
  assert.deepEqual(graph.inputs.map(({ shape }) => shape), [["x.0", 2], ["z.0", "z.1"]]);
});

Deno.test("constants become initializers, in every form that Constant has", () => {
  const graph = read(model({
    node: [
      nodeProto("Constant", [], ["a"], {
        value: { type: "tensor", value: tensor("float32", [2], [1, 2]) },
      }),
      nodeProto("Constant", [], ["b"], { value_float: { type: "float", value: 0.5 } }),
      nodeProto("Constant", [], ["c"], { value_ints: { type: "ints", value: [0, 2 ** 63] } }),
      nodeProto("Identity", ["a"], ["a2"]),
      nodeProto("Identity", ["a2"], ["a3"]),
      nodeProto("Mul", ["x", "a3"], ["p"]),
      nodeProto("Add", ["p", "b"], ["y"]),
      nodeProto("Shape", ["x"], ["s"]),
      nodeProto("Add", ["s", "c"], ["unused"]),
    ],
  }));
  assert.deepEqual(graph.nodes.map(({ op }) => op), ["Mul", "Add", "Shape", "Add"]);
  assert.deepEqual(graph.nodes[0]!.inputs, ["x", "a"]);
  assert.deepEqual([...graph.initializers.keys()], ["a", "b", "c"]);
  const wide = graph.initializers.get("c")!;
  assert.equal(new BigInt64Array(wide.bytes.buffer)[1], 2n ** 63n - 1n);
});

Deno.test("constants and identities that are outputs stay", () => {
  const graph = read(model({
    node: [
      nodeProto("Identity", ["w"], ["y"]),
      nodeProto("Constant", [], ["z"], { value_int: { type: "int", value: 3 } }),
    ],
    output: [info("y", [2]), info("z", [], 7)],
    initializer: [protoOfTensor("w", tensor("float32", [2], [1, 2]))],
  }));
  assert.deepEqual(graph.nodes.map(({ op }) => op), ["Identity", "Constant"]);
});

Deno.test("nodes get unique names and topological order", () => {
  const graph = read(model({
    node: [
      nodeProto("Neg", ["b"], ["y"], {}, "twin"),
      nodeProto("Relu", ["x"], ["a"]),
      nodeProto("Neg", ["a"], ["b"], {}, "twin"),
      nodeProto("Relu", ["a"], ["c"], {}, "Relu_1"),
    ],
  }));
  assert.deepEqual(graph.nodes.map(({ op }) => op), ["Relu", "Neg", "Neg", "Relu"]);
  const names = graph.nodes.map(({ name }) => name);
  assert.equal(new Set(names).size, 4);
  assert.ok(names.includes("twin") && names.includes("Relu_1") && !names.includes(""));
});

Deno.test("the type of an output may be in value_info", () => {
  const bare = create(ValueInfoProtoSchema, { name: "y" });
  const node = [nodeProto("Relu", ["x"], ["y"])];
  const graph = read(model({ node, output: [bare], valueInfo: [info("y", ["n", 2])] }));
  assert.deepEqual(graph.outputs[0]!.shape, ["n", 2]);
  refused(model({ node, output: [bare] }), /^m\.onnx: output 'y': has no type/);
});

Deno.test("raw data is a view of the file", () => {
  const bytes = model({
    node: [nodeProto("Add", ["x", "w"], ["y"])],
    initializer: [protoOfTensor("w", tensor("float32", [2], [1, 2]))],
  });
  const w = read(bytes).initializers.get("w")!;
  assert.equal(w.bytes.buffer, bytes.buffer);
  assert.deepEqual([...numbers(w)], [1, 2]);
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
  shared.set(bytes);
  assert.ok(read(shared).initializers.get("w")!.bytes.buffer instanceof ArrayBuffer);
});

Deno.test("files that are not ONNX are refused by name", () => {
  refused(new Uint8Array(), /^m\.onnx: not an ONNX file \(it is empty\)/);
  refused(new TextEncoder().encode("hello, world"), /^m\.onnx: not an ONNX file/);
  refused(new TextEncoder().encode("PK\u0003\u0004 a zip"), /^m\.onnx: not an ONNX file/);
  refused(new Uint8Array(100), /^m\.onnx: not an ONNX file/);
  refused(toBinary(ModelProtoSchema, create(ModelProtoSchema, { irVersion: 8n })), /no graph/);
  const whole = model({ node: [nodeProto("Relu", ["x"], ["y"])] });
  refused(whole.subarray(0, whole.length - 5), /not an ONNX file .*cut short/);
});

Deno.test("what ravn cannot read is refused with file, node and operator", () => {
  refused(model({ node: [nodeProto("Frobnicate", ["x"], ["y"], {}, "f")] }), /'f' \(Frobnicate\)/);
  const twice = protoOfTensor("w", tensor("float32", [1], [1]));
  refused(model({ initializer: [twice, twice] }), /initializer 'w' is there twice/);
  const short = protoOfTensor("w", tensor("float32", [2], [1, 2]));
  short.rawData = short.rawData.subarray(4);
  refused(model({ initializer: [short] }), /^m\.onnx: initializer 'w': its shape needs 8 bytes/);
  const sparse = create(SparseTensorProtoSchema, { values: twice });
  refused(model({ sparseInitializer: [sparse] }), /'w' is sparse/);
  refused(model({}, { functions: [create(FunctionProtoSchema, { name: "Mine" })] }), /'Mine'/);
  const sequence = create(ValueInfoProtoSchema, {
    name: "x",
    type: create(TypeProtoSchema, {
      value: { case: "sequenceType", value: create(TypeProto_SequenceSchema) },
    }),
  });
  refused(model({ input: [sequence] }), /input 'x': has the type sequence; only tensors/);
  refused(model({ input: [info("x", [1], 8)] }), /input 'x': element type string/);
  const bad = nodeProto("Constant", [], ["y"], {
    value: { type: "tensor", value: tensor("float32", [1], [1]) },
  }, "c");
  bad.attribute[0]!.t!.dataType = 99;
  refused(model({ node: [bad] }), /node 'c' \(Constant\): attribute 'value': element type code 99/);
});
