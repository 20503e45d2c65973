import { fromBinary } from "@bufbuild/protobuf";
import {
  type AttributeProto,
  type GraphProto,
  type ModelProto,
  ModelProtoSchema,
  type NodeProto,
  type ValueInfoProto,
} from "onnx-buf";
import { messageOf, RavnError } from "../error.ts";
import { attributeOfProto } from "./attribute_proto.ts";
import { checkGraph, type GraphSource } from "./check.ts";
import { withConstantsAsInitializers } from "./constants.ts";
import { ExternalData, type ExternalReader } from "./external_data.ts";
import type { Attribute, Dimension, Graph, Node, ValueInfo } from "./graph.ts";
import { signatureOf, withoutOmittedEnd } from "./operators.ts";
import { inTopologicalOrder } from "./order.ts";
import { withoutSequences } from "./sequences.ts";
import { numericType, tensorOfProto, unshared } from "./tensor_proto.ts";
import type { Tensor } from "./tensor.ts";
import { withTiedProjections } from "./tied.ts";
import { upgraded } from "./upgrade.ts";

/** Where a model comes from. */
export interface ModelSource extends GraphSource {
  /**
   * Gives the file at `location`, relative to the model's folder, for tensors kept outside the
   * model file. Locations that leave the folder are refused before this is called.
   */
  readonly external?: ExternalReader;
}

/**
 * Reads an ONNX model (ModelProto, https://onnx.ai/onnx/repo-docs/IR.html). Constant nodes become
 * initializers, nodes are put in topological order, unnamed ones get a name, and the whole is
 * checked as by `checkGraph`. Dimensions without size and name are named `<value>.<position>`. A
 * model of an older opset is lifted to 13, sequences of tensors are written out
 * (`withoutSequences`), and an output projection that is a copy of the embedding is tied to it
 * again (`withTiedProjections`).
 *
 * Tensors are views of `bytes`, which must not be changed afterwards.
 *
 * @throws {RavnError} where the bytes are not such a model; names file, node and operator.
 */
export function readModel(bytes: Uint8Array, where: ModelSource): Graph {
  const { file } = where;
  const model = parseModel(bytes, file);
  if (model.functions.length > 0) {
    throw new RavnError(
      `${file}: defines functions of its own ('${model.functions[0]!.name}'); ` +
        "inline them (onnx.inliner.inline_local_functions) and try again",
    );
  }
  const opsets = new Map<string, number>();
  for (const { domain, version } of model.opsetImport) {
    opsets.set(domainName(domain), Number(version));
  }
  const reader = new GraphReader(file, opsets, new ExternalData(where.external));
  const graph = reader.graph(model.graph!, file);
  checkGraph(graph, where);
  return withTiedProjections(withoutSequences(upgraded(graph, file)));
}

function parseModel(bytes: Uint8Array, file: string): ModelProto {
  if (bytes.byteLength === 0) throw new RavnError(`${file}: not an ONNX file (it is empty)`);
  let model: ModelProto;
  try {
    model = fromBinary(ModelProtoSchema, unshared(bytes), { readUnknownFields: false });
  } catch (cause) {
    const cut = /EOF|bounds|range/i.test(messageOf(cause)) ? ", or it is cut short" : "";
    throw new RavnError(`${file}: not an ONNX file (${messageOf(cause)}${cut})`, { cause });
  }
  if (model.graph === undefined) {
    throw new RavnError(`${file}: not an ONNX file (it holds no graph, or it is cut short)`);
  }
  return model;
}

function domainName(domain: string): string {
  return domain === "ai.onnx" ? "" : domain;
}

/** Turns the messages of one model into graphs. */
class GraphReader {
  constructor(
    readonly file: string,
    readonly opsets: ReadonlyMap<string, number>,
    readonly external: ExternalData,
  ) {}

  /** @param what names file and, for a subgraph, node and attribute. */
  graph(proto: GraphProto, what: string): Graph {
    if (proto.sparseInitializer.length > 0) {
      const name = proto.sparseInitializer[0]!.values?.name ?? "";
      throw new RavnError(`${what}: initializer '${name}' is sparse, which is not supported`);
    }
    const initializers = new Map<string, Tensor>();
    for (const initializer of proto.initializer) {
      const { name } = initializer;
      const which = `${what}: initializer '${name}'`;
      if (initializers.has(name)) throw new RavnError(`${which} is there twice`);
      initializers.set(name, tensorOfProto(initializer, this.external, which));
    }
    const types = new Map(proto.valueInfo.map((info) => [info.name, info]));
    const graph: Graph = {
      name: proto.name,
      nodes: this.nodes(proto.node, what),
      // Before IR version 4 initializers were listed among the inputs.
      inputs: proto.input.filter(({ name }) => !initializers.has(name))
        .map((info) => valueInfo(info, `${what}: input '${info.name}'`)),
      outputs: proto.output.map((info) =>
        valueInfo(
          info.type === undefined ? types.get(info.name) ?? info : info,
          `${what}: output '${info.name}'`,
        )
      ),
      initializers,
      opsets: this.opsets,
    };
    return withConstantsAsInitializers(inTopologicalOrder(graph, this.file));
  }

  private nodes(protos: readonly NodeProto[], what: string): Node[] {
    const taken = new Set(protos.map(({ name }) => name));
    const used = new Set<string>();
    return protos.map((proto, index) => {
      let name = proto.name;
      if (name === "" || used.has(name)) {
        const stem = name === "" ? proto.opType : name;
        for (let n = index; taken.has(name) || used.has(name) || name === ""; n++) {
          name = `${stem}_${n}`;
        }
      }
      used.add(name);
      const domain = domainName(proto.domain);
      const signature = signatureOf(domain, proto.opType, this.opsets.get(domain) ?? 0);
      return {
        name,
        op: proto.opType,
        domain,
        inputs: withoutOmittedEnd(proto.input, signature?.inputs.min ?? Infinity),
        outputs: withoutOmittedEnd(proto.output, signature?.outputs.min ?? Infinity),
        attributes: this.attributes(proto.attribute, `${what}: node '${name}' (${proto.opType})`),
      };
    });
  }

  private attributes(
    protos: readonly AttributeProto[],
    what: string,
  ): Readonly<Record<string, Attribute>> {
    const context = {
      external: this.external,
      subgraph: (proto: GraphProto, where: string) => this.graph(proto, where),
    };
    return Object.fromEntries(
      protos.map((proto) => {
        const which = `${what}: attribute '${proto.name}'`;
        return [proto.name, attributeOfProto(proto, context, which)];
      }),
    );
  }
}

function valueInfo(proto: ValueInfoProto, what: string): ValueInfo {
  const type = proto.type?.value;
  if (type?.case !== "tensorType") {
    const kind = type?.case === undefined ? "no type" : `the type ${type.case.slice(0, -4)}`;
    throw new RavnError(`${what}: has ${kind}; only tensors are supported`);
  }
  const dtype = numericType(type.value.elemType, what);
  const { name } = proto;
  if (type.value.shape === undefined) return { name, dtype };
  const shape = type.value.shape.dim.map(({ value }, position): Dimension => {
    if (value.case === "dimValue" && value.value >= 0n) return Number(value.value);
    if (value.case === "dimParam" && value.value !== "") return value.value;
    return `${name}.${position}`;
  });
  return { name, dtype, shape };
}
