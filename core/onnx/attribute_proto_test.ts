import { create } from "@bufbuild/protobuf";
import assert from "node:assert/strict";
import {
  AttributeProto_AttributeType as AttributeType,
  AttributeProtoSchema,
  GraphProtoSchema,
} from "onnx-buf";
import { RavnError } from "../error.ts";
import { attributeOfProto, protoOfAttribute } from "./attribute_proto.ts";
import { ExternalData } from "./external_data.ts";
import type { Attribute, Graph } from "./graph.ts";
import { tensor } from "./tensor.ts";

const subgraph: Graph = {
  name: "branch",
  nodes: [],
  inputs: [],
  outputs: [],
  initializers: new Map(),
  opsets: new Map(),
};
const context = { external: new ExternalData(undefined), subgraph: () => subgraph };

Deno.test("attributes of every kind are the same after writing and reading", () => {
  const attributes: Attribute[] = [
    { type: "int", value: -3 },
    { type: "int", value: 0 },
    { type: "int", value: 2 ** 53 },
    { type: "float", value: 0.5 },
    { type: "float", value: 0 },
    { type: "string", value: "nearest ⌊x⌋" },
    { type: "string", value: "" },
    { type: "ints", value: [1, -1, 0] },
    { type: "ints", value: [] },
    { type: "floats", value: [0.25, -2] },
    { type: "strings", value: ["a", "", "ß"] },
    { type: "tensor", value: tensor("float32", [2], [1, 2]) },
    { type: "graph", value: subgraph },
  ];
  for (const attribute of attributes) {
    const proto = protoOfAttribute("a", attribute, () => create(GraphProtoSchema));
    assert.equal(proto.name, "a");
    assert.deepEqual(attributeOfProto(proto, context, "m.onnx"), attribute);
  }
});

Deno.test("'to the end', 2^63 - 1, stays the largest integer", () => {
  const end = 2n ** 63n - 1n;
  const read = attributeOfProto(
    create(AttributeProtoSchema, { type: AttributeType.INTS, ints: [end, -(2n ** 63n)] }),
    context,
    "m.onnx",
  );
  const proto = protoOfAttribute("ends", read, () => assert.fail());
  assert.deepEqual(proto.ints, [end, -(2n ** 63n)]);
});

Deno.test("attributes without a type, as in the first files, are known by their field", () => {
  const read = (fields: { f?: number; i?: bigint; ints?: bigint[]; s?: Uint8Array<ArrayBuffer> }) =>
    attributeOfProto(create(AttributeProtoSchema, fields), context, "m.onnx");
  assert.deepEqual(read({ f: 2 }), { type: "float", value: 2 });
  assert.deepEqual(read({ i: 2n }), { type: "int", value: 2 });
  assert.deepEqual(read({ ints: [2n] }), { type: "ints", value: [2] });
  assert.deepEqual(read({ s: new TextEncoder().encode("x") }), { type: "string", value: "x" });
  assert.throws(() => read({}), /attributes of kind UNDEFINED are not supported/);
});

Deno.test("kinds without a place in a graph are refused by name", () => {
  const what = "m.onnx: node 'n' (Op): attribute 'a'";
  const refused = (type: AttributeType, pattern: RegExp) =>
    assert.throws(
      () => attributeOfProto(create(AttributeProtoSchema, { type }), context, what),
      (e) => e instanceof RavnError && pattern.test(e.message),
    );
  refused(AttributeType.SPARSE_TENSOR, /attribute 'a': attributes of kind SPARSE_TENSOR are not/);
  refused(AttributeType.TYPE_PROTO, /TYPE_PROTO/);
  refused(AttributeType.TENSOR, /holds no tensor/);
  refused(AttributeType.GRAPH, /holds no graph/);
  const bytes = create(AttributeProtoSchema, {
    type: AttributeType.STRING,
    s: Uint8Array.of(0xff, 0xfe),
  });
  assert.throws(() => attributeOfProto(bytes, context, what), /its text is not UTF-8/);
});
