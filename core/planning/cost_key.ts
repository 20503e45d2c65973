import { DTYPES } from "../onnx/mod.ts";
import type { Attribute, Facts, Graph, Node } from "../onnx/mod.ts";
import { Shapes } from "./shapes.ts";

/** Constant inputs up to this many bytes are part of the key: axes, shapes, pads, slices. */
const CONSTANT_BYTES_MAX = 128;

function attributeKey(attribute: Attribute): string {
  switch (attribute.type) {
    case "int":
    case "float":
    case "string":
      return String(attribute.value);
    case "ints":
    case "floats":
    case "strings":
      return attribute.value.join(",");
    case "tensor":
      return `${attribute.value.dtype}[${attribute.value.dims}]`;
    case "graph":
      return `{${attribute.value.nodes.map((node) => node.op).join(",")}}`;
  }
}

/**
 * A text that is equal for nodes that take equal time: operator set and operator, attributes, and
 * the type and shape of every input and output at the given batch. Small integer inputs count by
 * value. Names do not matter, so that equal layers are timed once.
 *
 * @example `Gemm;transB=1(float32[64,32],float32[256,32],float32[256])->float32[64,256]`
 */
export function costKey(node: Node, graph: Graph, facts: Facts, batch: number): string {
  const shapes = new Shapes(graph, facts, batch);
  const valueKey = (name: string): string => {
    if (name === "") return "-";
    const { dtype } = shapes.fact(name);
    const type = `${dtype}[${shapes.dims(name)}]`;
    const constant = graph.initializers.get(name) ?? facts.get(name)?.constant;
    const small = constant !== undefined && constant.bytes.length <= CONSTANT_BYTES_MAX;
    if (!small || !dtype.startsWith("int") || DTYPES[dtype].bytes < 4) return type;
    return `${type}=${constant.bytes.toHex()}`;
  };
  const attributes = Object.keys(node.attributes).sort()
    .map((key) => `;${key}=${attributeKey(node.attributes[key]!)}`);
  const operator = node.domain === "" ? node.op : `${node.domain}.${node.op}`;
  const list = (names: readonly string[]) => names.map(valueKey).join(",");
  return `${operator}${attributes.join("")}(${list(node.inputs)})->${list(node.outputs)}`;
}
