import { RavnError } from "../error.ts";
import type { Facts, Graph, Node, Tensor } from "../onnx/mod.ts";
import { appendLoss, countsUnevenly, lossTerms } from "./loss.ts";
import type { ComputedLoss, Labels, LossConfig, LossTerm } from "./loss.ts";
import { LossNodes } from "./loss_nodes.ts";
import { COUNTED, LABELS } from "./manifest.ts";
import type { Port } from "./manifest.ts";
import { factOf } from "./partition.ts";

/** In which form the labels of a loss come, and what is known of them. */
export interface LabelForm extends Labels {
  /** Their name among several label files. */
  readonly column?: string | undefined;
  /** False where rows as long as the output's are known to be no one-hot classes. */
  readonly oneHot?: boolean;
}

/** A loss with the model output, the labels and the counts that it reads. */
export interface WiredLoss {
  readonly loss: LossTerm["loss"];
  readonly weight: number;
  /** Name of the model output. */
  readonly output: string;
  /** The labels; absent where the output itself is the loss. */
  readonly labels?: { readonly port: Port; readonly form: LabelForm };
  /**
   * Where a micro-batch's share in its batch is not that of its samples: how much of what counts in
   * the batch it holds, over its share of the samples.
   */
  readonly counted?: Port;
}

/**
 * Finds what each loss of a configuration reads.
 *
 * @param labels by loss, in the order of the configuration
 * @throws {RavnError} for an output that the model has not, or a loss without labels
 */
export function wireLosses(
  graph: Graph,
  loss: LossConfig,
  labels: readonly (LabelForm | undefined)[],
): WiredLoss[] {
  const terms = lossTerms(loss);
  const ports = new Map<string, Port>();
  return terms.map(({ loss, weight, ...named }, i): WiredLoss => {
    const output = outputNamed(graph, named.output);
    if (loss.type === "output") return { loss, weight, output };
    const form = labels[i];
    if (form === undefined) {
      throw new RavnError(`loss ${loss.type} needs labels: name them in data.train.labels`);
    }
    const suffix = terms.length === 1 ? "" : `.${i}`;
    const described = labelPort(loss, form);
    const key = JSON.stringify(described);
    const port = ports.get(key) ?? { ...described, value: `${LABELS}${suffix}` };
    ports.set(key, port);
    if (form.classes === undefined || !countsUnevenly(loss)) {
      return { loss, weight, output, labels: { port, form } };
    }
    const { ignore_index: ignored, weights } = loss;
    const counts = {
      labels: port.value,
      ...(ignored === undefined ? {} : { ignored }),
      ...(weights === undefined ? {} : { weights: [...weights] }),
    };
    const counted = { value: `${COUNTED}${suffix}`, dtype: "float32", dims: [], counts } as const;
    return { loss, weight, output, labels: { port, form }, counted: { ...counted, dims: [] } };
  });
}

/** @throws {RavnError} naming the outputs that there are */
function outputNamed(graph: Graph, name: string | undefined): string {
  const names = graph.outputs.map((output) => output.name);
  if (name === undefined) return names[0]!;
  if (names.includes(name)) return name;
  throw new RavnError(
    `loss: the model has no output "${name}"; its outputs are ${names.join(", ")}`,
  );
}

function labelPort(loss: ComputedLoss, form: LabelForm): Port {
  const { dtype, dims, classes, column } = form;
  const ignored = "ignore_index" in loss ? loss.ignore_index : undefined;
  return {
    value: LABELS,
    dtype,
    dims: [...dims],
    ...(column === undefined ? {} : { label: column }),
    ...(classes === undefined ? {} : { classes }),
    ...(ignored === undefined ? {} : { ignored }),
  };
}

/** The ports of labels and counts that losses read, each once. */
export function lossPorts(losses: readonly WiredLoss[]): Port[] {
  const ports = losses.flatMap(({ labels, counted }) => [
    ...(labels === undefined ? [] : [labels.port]),
    ...(counted === undefined ? [] : [counted]),
  ]);
  return [...new Map(ports.map((port) => [port.value, port])).values()];
}

/** Nodes and constants to append to a forward graph, and what they make. */
export interface LossSum {
  readonly nodes: readonly Node[];
  readonly initializers: ReadonlyMap<string, Tensor>;
  /** Name of the scalar loss. */
  readonly loss: string;
  /** Nodes that compute the gradients of scale · loss. */
  readonly gradient: {
    readonly nodes: readonly Node[];
    readonly initializers: ReadonlyMap<string, Tensor>;
    /** For each model output, the gradients that are to be added up. */
    readonly seeds: ReadonlyMap<string, readonly string[]>;
  };
}

/**
 * The weighted sum of losses, L = Σ wₖ cₖ Lₖ with cₖ the counted share, and its gradients.
 *
 * @param scale value with the float32 scalar that gradients are multiplied by
 * @throws {RavnError} when the labels do not go with an output
 */
export function appendLosses(
  losses: readonly WiredLoss[],
  facts: Facts,
  { scale, opset }: { readonly scale: string; readonly opset: number },
): LossSum {
  const forward = new LossNodes("ravn.sum");
  const backward = new LossNodes("ravn.grad.sum");
  const parts: { nodes: readonly Node[]; initializers: ReadonlyMap<string, Tensor> }[] = [];
  const slopes: typeof parts = [];
  const seeds = new Map<string, string[]>();
  const values = losses.map(({ loss, weight, output, labels, counted }, index) => {
    const weighted = (to: LossNodes, value: string) => {
      let result = value;
      if (weight !== 1) result = to.node("Mul", [result, to.float(weight)]);
      if (counted !== undefined) result = to.node("Mul", [result, counted.value]);
      return result;
    };
    const factor = weighted(backward, scale);
    const add = (value: string) => seeds.set(output, [...(seeds.get(output) ?? []), value]);
    if (loss.type === "output" || labels === undefined) {
      add(factor);
      return weighted(forward, output);
    }
    const { port, form } = labels;
    const appended = appendLoss({
      loss,
      ...(losses.length === 1 ? {} : { index }),
      output: { name: output, fact: factOf(facts, output) },
      labels: { name: port.value, dtype: form.dtype, dims: form.dims },
      scale: factor,
      opset,
    });
    parts.push(appended);
    slopes.push(appended.gradient);
    add(appended.gradient.value);
    return weighted(forward, appended.loss);
  });
  const loss = values.length === 1 ? values[0]! : forward.node("Sum", values);
  return {
    nodes: [...parts.flatMap(({ nodes }) => nodes), ...forward.nodes],
    initializers: joined([...parts, forward]),
    loss,
    gradient: {
      nodes: [...backward.nodes, ...slopes.flatMap(({ nodes }) => nodes)],
      initializers: joined([...slopes, backward]),
      seeds,
    },
  };
}

function joined(
  parts: readonly { readonly initializers: ReadonlyMap<string, Tensor> }[],
): Map<string, Tensor> {
  return new Map(parts.flatMap(({ initializers }) => [...initializers]));
}
