import { create, toBinary } from "@bufbuild/protobuf";
import {
  type GraphProto,
  GraphProtoSchema,
  type ModelProto,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  StringStringEntryProtoSchema,
  TensorProto_DataLocation,
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from "onnx-buf";
import { RavnError } from "../error.ts";
import { protoOfAttribute } from "./attribute_proto.ts";
import { checkedLocation } from "./external_data.ts";
import type { Graph, Node, ValueInfo } from "./graph.ts";
import { signatureOf, withoutOmittedEnd } from "./operators.ts";
import { protoOfTensor } from "./tensor_proto.ts";
import { DTYPES, type Tensor } from "./tensor.ts";

/** A protobuf message ends at 2 GiB. */
const BYTES_MAX = 2 ** 31 - 1;

/** Tensors in external data start at multiples of this, the page size: they can be mapped. */
const EXTERNAL_ALIGNMENT_BYTES = 4096;

/** Options of `writeModel`. */
export interface WriteOptions {
  /** Name of the program, as viewers show it; `"ravn"` if absent. */
  readonly producer?: string;
}

/** Keeps large initializers in a file of their own. */
export interface ExternalOptions {
  /** Initializers of at least so many bytes go outside. */
  readonly threshold: number;
  /** Path of the data file relative to the model's folder. */
  readonly location: string;
}

/** A model and the file that holds its large tensors. */
export interface ModelWithData {
  readonly model: Uint8Array<ArrayBuffer>;
  readonly data: Uint8Array<ArrayBuffer>;
}

/**
 * Writes a graph as ONNX ModelProto. The IR version is the lowest that the opset needs, 8 or later.
 *
 * @throws {RavnError} above 2 GiB, which needs `externalData`.
 */
export function writeModel(graph: Graph, options?: WriteOptions): Uint8Array<ArrayBuffer>;
/** Writes a graph and, apart from it, the file with its large initializers. */
export function writeModel(
  graph: Graph,
  options: WriteOptions & { readonly externalData: ExternalOptions },
): ModelWithData;
export function writeModel(
  graph: Graph,
  options: WriteOptions & { readonly externalData?: ExternalOptions } = {},
): Uint8Array<ArrayBuffer> | ModelWithData {
  const external = options.externalData === undefined
    ? undefined
    : new ExternalWriter(options.externalData);
  const body = protoOfGraph(graph, external);
  checkSize(graph, external);
  const proto = protoOfModel(graph, body, options.producer ?? "ravn");
  const model = toBinary(ModelProtoSchema, proto);
  return external === undefined ? model : { model, data: external.bytes() };
}

/**
 * Writes a graph with the values named in `observed` as outputs too. Their types are left open, for
 * ONNX Runtime to find.
 */
export function writeObserved(graph: Graph, observed: readonly string[]): Uint8Array<ArrayBuffer> {
  const proto = protoOfModel(graph, protoOfGraph(graph), "ravn");
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  for (const name of observed) {
    if (!outputs.has(name)) proto.graph!.output.push(create(ValueInfoProtoSchema, { name }));
  }
  return toBinary(ModelProtoSchema, proto);
}

function protoOfModel(graph: Graph, proto: GraphProto, producerName: string): ModelProto {
  return create(ModelProtoSchema, {
    irVersion: BigInt(irVersion(graph.opsets.get(""))),
    producerName,
    opsetImport: [...graph.opsets].map(([domain, version]) =>
      create(OperatorSetIdProtoSchema, { domain, version: BigInt(version) })
    ),
    graph: proto,
  });
}

/** IR versions that came with the opsets (https://onnx.ai/onnx/repo-docs/Versioning.html). */
function irVersion(opset = 0): number {
  if (opset >= 25) return 13;
  if (opset >= 24) return 12;
  if (opset >= 23) return 11;
  if (opset >= 21) return 10;
  if (opset >= 19) return 9;
  return 8;
}

function checkSize(graph: Graph, external: ExternalWriter | undefined): void {
  let bytes = 0;
  for (const value of graph.initializers.values()) {
    if (external === undefined || !external.takes(value)) bytes += value.bytes.byteLength;
  }
  if (bytes > BYTES_MAX) {
    throw new RavnError(
      `graph '${graph.name}': its initializers take ${bytes} bytes, one ONNX file holds ` +
        `${BYTES_MAX}; write it with external data`,
    );
  }
}

function protoOfGraph(graph: Graph, external?: ExternalWriter): GraphProto {
  return create(GraphProtoSchema, {
    name: graph.name,
    node: graph.nodes.map((node) => protoOfNode(node, graph.opsets)),
    initializer: [...graph.initializers].map(([name, value]) =>
      external?.takes(value) ? external.proto(name, value) : protoOfTensor(name, value)
    ),
    input: graph.inputs.map(protoOfValue),
    output: graph.outputs.map(protoOfValue),
  });
}

function protoOfNode(node: Node, opsets: Graph["opsets"]): NodeProto {
  const signature = signatureOf(node.domain, node.op, opsets.get(node.domain) ?? 0);
  return create(NodeProtoSchema, {
    name: node.name,
    opType: node.op,
    domain: node.domain,
    input: [...withoutOmittedEnd(node.inputs, signature?.inputs.min ?? Infinity)],
    output: [...withoutOmittedEnd(node.outputs, signature?.outputs.min ?? Infinity)],
    attribute: Object.entries(node.attributes).map(([name, attribute]) =>
      protoOfAttribute(name, attribute, protoOfGraph)
    ),
  });
}

function protoOfValue({ name, dtype, shape }: ValueInfo): ValueInfoProto {
  const tensorType = create(TypeProto_TensorSchema, { elemType: DTYPES[dtype].code });
  if (shape !== undefined) {
    tensorType.shape = create(TensorShapeProtoSchema, {
      dim: shape.map((dim) =>
        create(TensorShapeProto_DimensionSchema, {
          value: typeof dim === "number"
            ? { case: "dimValue", value: BigInt(dim) }
            : { case: "dimParam", value: dim },
        })
      ),
    });
  }
  return create(ValueInfoProtoSchema, {
    name,
    type: create(TypeProtoSchema, { value: { case: "tensorType", value: tensorType } }),
  });
}

/** Collects the tensors of a data file. */
class ExternalWriter {
  readonly #options: ExternalOptions;
  readonly #parts: { offset: number; bytes: Uint8Array }[] = [];
  #end = 0;

  constructor(options: ExternalOptions) {
    checkedLocation(options.location, "external data");
    this.#options = options;
  }

  takes(value: Tensor): boolean {
    return value.bytes.byteLength > 0 && value.bytes.byteLength >= this.#options.threshold;
  }

  proto(name: string, value: Tensor): ReturnType<typeof protoOfTensor> {
    const offset = Math.ceil(this.#end / EXTERNAL_ALIGNMENT_BYTES) * EXTERNAL_ALIGNMENT_BYTES;
    this.#parts.push({ offset, bytes: value.bytes });
    this.#end = offset + value.bytes.byteLength;
    const entries = { location: this.#options.location, offset, length: value.bytes.byteLength };
    const proto = protoOfTensor(name, { ...value, bytes: new Uint8Array() });
    proto.dataLocation = TensorProto_DataLocation.EXTERNAL;
    proto.externalData = Object.entries(entries).map(([key, entry]) =>
      create(StringStringEntryProtoSchema, { key, value: `${entry}` })
    );
    return proto;
  }

  bytes(): Uint8Array<ArrayBuffer> {
    const file = new Uint8Array(this.#end);
    for (const { offset, bytes } of this.#parts) file.set(bytes, offset);
    return file;
  }
}
