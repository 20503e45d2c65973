import { refusalReason, ruleFor } from "../autodiff/mod.ts";
import { traceFacts, withSizes } from "../onnx/mod.ts";
import type { Facts, Graph } from "../onnx/mod.ts";
import { modelState } from "../planning/mod.ts";
import { Runtime } from "../runtime/mod.ts";
import { shapeOf } from "../training/mod.ts";
import { readModelFile } from "./model_file.ts";
import type { InspectReport, InspectRequest, NodeRow, TensorRow } from "./requests.ts";

/** Batch at which a model is traced to find its shapes. */
const TRACE_BATCH = 2;

/** Size of free dimensions other than the batch. */
const TRACE_SIZE = 8;

/** Describes a model file: its inputs, outputs, parameters and nodes. */
export async function inspect(request: InspectRequest): Promise<InspectReport> {
  const { graph } = await readModelFile(request.model);
  const { trainable, fixed } = modelState(graph);
  const facts = await factsOf(graph, request.model);
  const nodes = graph.nodes.map((node): NodeRow => {
    const operator = [node.op, node.domain, graph.opsets.get(node.domain) ?? 1] as const;
    const rule = ruleFor(...operator);
    const fact = facts?.get(node.outputs[0] ?? "");
    return {
      name: node.name,
      op: node.op,
      domain: node.domain,
      ...(fact === undefined ? {} : { dims: shapeOf(fact.dims) }),
      gradient: rule === undefined ? "refused" : rule.kind === "zero" ? "none" : "yes",
      ...(rule === undefined ? { reason: refusalReason(...operator) } : {}),
    };
  });
  const described = ({ name, dtype, shape }: Graph["inputs"][number]): TensorRow => ({
    name,
    dtype,
    dims: shape ?? [],
  });
  return {
    name: graph.name,
    opsets: Object.fromEntries(graph.opsets),
    inputs: graph.inputs.map(described),
    outputs: graph.outputs.map(described),
    parameters: trainable.map((name) => {
      const { dtype, dims } = graph.initializers.get(name)!;
      return { name, dtype, dims };
    }),
    fixed,
    nodes,
  };
}

/** Shapes by tracing; undefined where the model cannot be run on made-up data. */
async function factsOf(graph: Graph, file: string): Promise<Facts | undefined> {
  using runtime = Runtime.open();
  try {
    const sized = withSizes(graph, { otherwise: TRACE_SIZE }, file);
    return await traceFacts(sized, runtime.evaluate, { batch: TRACE_BATCH, file });
  } catch {
    return undefined;
  }
}
