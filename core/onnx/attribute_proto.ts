import { create } from "@bufbuild/protobuf";
import {
  type AttributeProto,
  AttributeProto_AttributeType as AttributeType,
  AttributeProtoSchema,
  type GraphProto,
} from "onnx-buf";
import { RavnError } from "../error.ts";
import type { ExternalData } from "./external_data.ts";
import type { Attribute, Graph } from "./graph.ts";
import { protoOfTensor, tensorOfProto } from "./tensor_proto.ts";

const decoder = new TextDecoder("utf-8", { fatal: true });
const encoder = new TextEncoder();

/** What reading an attribute needs from the model around it. */
export interface AttributeContext {
  readonly external: ExternalData;
  /** Reads the graph of an If, Loop or Scan. */
  readonly subgraph: (proto: GraphProto, what: string) => Graph;
}

/**
 * The attribute in an AttributeProto.
 *
 * @param what names file, node, operator and attribute for error messages.
 * @throws {RavnError} for kinds that ravn does not know: lists of tensors or graphs, sparse
 *   tensors, types and references of functions.
 */
export function attributeOfProto(
  proto: AttributeProto,
  context: AttributeContext,
  what: string,
): Attribute {
  const type = proto.type === AttributeType.UNDEFINED ? guessedType(proto) : proto.type;
  switch (type) {
    case AttributeType.INT:
      return { type: "int", value: Number(proto.i) };
    case AttributeType.FLOAT:
      return { type: "float", value: proto.f };
    case AttributeType.STRING:
      return { type: "string", value: text(proto.s, what) };
    case AttributeType.INTS:
      return { type: "ints", value: proto.ints.map(Number) };
    case AttributeType.FLOATS:
      return { type: "floats", value: proto.floats };
    case AttributeType.STRINGS:
      return { type: "strings", value: proto.strings.map((bytes) => text(bytes, what)) };
    case AttributeType.TENSOR:
      if (proto.t === undefined) throw new RavnError(`${what}: holds no tensor`);
      return { type: "tensor", value: tensorOfProto(proto.t, context.external, what) };
    case AttributeType.GRAPH:
      if (proto.g === undefined) throw new RavnError(`${what}: holds no graph`);
      return { type: "graph", value: context.subgraph(proto.g, what) };
    default:
      throw new RavnError(
        `${what}: attributes of kind ${AttributeType[type] ?? type} are not supported`,
      );
  }
}

/** An AttributeProto; `graphProto` writes the graph of an If, Loop or Scan. */
export function protoOfAttribute(
  name: string,
  attribute: Attribute,
  graphProto: (graph: Graph) => GraphProto,
): AttributeProto {
  const proto = create(AttributeProtoSchema, { name });
  switch (attribute.type) {
    case "int":
      proto.type = AttributeType.INT;
      proto.i = int64(attribute.value);
      break;
    case "float":
      proto.type = AttributeType.FLOAT;
      proto.f = attribute.value;
      break;
    case "string":
      proto.type = AttributeType.STRING;
      proto.s = encoder.encode(attribute.value);
      break;
    case "ints":
      proto.type = AttributeType.INTS;
      proto.ints = attribute.value.map(int64);
      break;
    case "floats":
      proto.type = AttributeType.FLOATS;
      proto.floats = [...attribute.value];
      break;
    case "strings":
      proto.type = AttributeType.STRINGS;
      proto.strings = attribute.value.map((value) => encoder.encode(value));
      break;
    case "tensor":
      proto.type = AttributeType.TENSOR;
      proto.t = protoOfTensor("", attribute.value);
      break;
    case "graph":
      proto.type = AttributeType.GRAPH;
      proto.g = graphProto(attribute.value);
      break;
  }
  return proto;
}

/** Files of IR version 1 carry no type: it is the kind of the one field that is filled. */
function guessedType(proto: AttributeProto): AttributeType {
  if (proto.t !== undefined) return AttributeType.TENSOR;
  if (proto.g !== undefined) return AttributeType.GRAPH;
  if (proto.ints.length > 0) return AttributeType.INTS;
  if (proto.floats.length > 0) return AttributeType.FLOATS;
  if (proto.strings.length > 0) return AttributeType.STRINGS;
  if (proto.s.length > 0) return AttributeType.STRING;
  if (proto.f !== 0) return AttributeType.FLOAT;
  if (proto.i !== 0n) return AttributeType.INT;
  return AttributeType.UNDEFINED;
}

function text(bytes: Uint8Array<ArrayBuffer>, what: string): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new RavnError(`${what}: its text is not UTF-8`);
  }
}

/** "To the end" is written as 2^63 - 1, which a number can only hold rounded up. */
function int64(value: number): bigint {
  return BigInt.asIntN(64, value >= 2 ** 63 ? 2n ** 63n - 1n : BigInt(value));
}
