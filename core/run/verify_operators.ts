import { ruleFor } from "../autodiff/mod.ts";
import type { Judgement, Point } from "../autodiff/mod.ts";
import { RavnError } from "../error.ts";
import { elementCount, isFloat, writeModel } from "../onnx/mod.ts";
import type { Graph, Node, Tensor } from "../onnx/mod.ts";
import { costKey } from "../planning/mod.ts";
import { trainedValues } from "../training/mod.ts";
import { aloneGraph } from "./calibrate.ts";
import { EFFORTS, GradientProbe } from "./gradient_probe.ts";
import type { VerifyRow } from "./requests.ts";
import type { Subject } from "./verify.ts";
import { feedsOf, jittered } from "./verify_point.ts";

/** Operators with a kink where inputs are zero or tie, as activations behind a ReLU do. */
const KINKED = new Set([
  ...["Relu", "LeakyRelu", "PRelu", "ThresholdedRelu", "Elu", "Selu", "Celu", "Abs", "Clip", "Max"],
  ...[
    "Min",
    "HardSigmoid",
    "HardSwish",
    "Shrink",
    "MaxPool",
    "GlobalMaxPool",
    "ReduceMax",
    "LpPool",
  ],
  ...["ReduceMin", "ReduceL1", "ReduceL2", "TopK", "FusedConv", "FusedGemm", "GlobalLpPool"],
]);

/** Operators that are not defined everywhere, or steep near zero: inputs keep their signs. */
const DELICATE = new Set(["Log", "Sqrt", "Div", "Pow", "Reciprocal", "Acosh", "ReduceLogSum"]);

/** Operators on larger values are looked at with less effort. */
const LARGE = 2 ** 20;

/** Every distinct operator of a model alone, one after another while there is time. */
export async function operatorRows(
  subject: Subject,
  hasTime: () => boolean,
): Promise<{ readonly rows: VerifyRow[]; readonly of: number }> {
  const distinct = distinctNodes(subject);
  const values = await activations(subject, distinct);
  const rows: VerifyRow[] = [];
  let of = distinct.length;
  for (const [index, { node, wrt }] of distinct.entries()) {
    if (!hasTime()) break;
    const row = await operatorRow(subject, node, wrt, values, index);
    if (row === undefined) of--;
    else rows.push(row);
  }
  return { rows, of };
}

interface Distinct {
  readonly node: Node;
  /** Inputs to which a gradient flows. */
  readonly wrt: readonly string[];
}

/** The first node of each kind and shape through which a gradient flows. */
function distinctNodes({ training, parameters, batch }: Subject): Distinct[] {
  const { graph, facts } = training;
  const trained = trainedValues(graph, parameters);
  const found = new Map<string, Distinct>();
  for (const node of graph.nodes) {
    const rule = ruleFor(node.op, node.domain, graph.opsets.get(node.domain) ?? 1);
    const isFloatValue = (name: string) => isFloat(facts.get(name)?.dtype ?? "int64");
    const wrt = [...new Set(node.inputs)].filter((name) => trained.has(name) && isFloatValue(name));
    if (rule?.kind !== "differentiable" || wrt.length === 0) continue;
    if (!node.outputs.some((name) => name !== "" && isFloatValue(name))) continue;
    const key = `${wrt.length} ${costKey(node, graph, facts, batch)}`;
    if (!found.has(key)) found.set(key, { node, wrt });
  }
  return [...found.values()];
}

/** The values that the nodes read, at the point. */
async function activations(
  { runtime, training: { graph, facts }, point }: Subject,
  nodes: readonly Distinct[],
): Promise<Point> {
  const made = new Set(graph.nodes.flatMap(({ outputs }) => outputs));
  const read = new Set(nodes.flatMap(({ node }) => node.inputs).filter((name) => made.has(name)));
  const at: Graph = {
    ...graph,
    outputs: [...read].map((name) => ({ name, dtype: facts.get(name)!.dtype })),
    initializers: new Map<string, Tensor>(
      [...graph.initializers].map(([name, value]) => [name, point.get(name) ?? value]),
    ),
  };
  if (read.size === 0) return point;
  using session = await runtime.session(writeModel(at));
  return new Map([...point, ...await session.run(feedsOf(session.inputs, point))]);
}

/** The worst of an operator's inputs; undefined where it cannot be looked at alone. */
async function operatorRow(
  subject: Subject,
  node: Node,
  wrt: readonly string[],
  values: Point,
  index: number,
): Promise<VerifyRow | undefined> {
  const { training: { graph, facts }, parameters } = subject;
  const random = subject.random.fork(`operator ${index}`);
  const own = wrt.map((name) => [name, values.get(name)!] as const);
  const point = KINKED.has(node.op) ? new Map([...values, ...jittered(own, random)]) : values;
  try {
    using probe = await GradientProbe.open({
      ...subject,
      graph: aloneGraph(node, new Set(parameters), graph, facts),
      facts,
      point,
      wrt,
      random,
      effort: own.some(([, { dims }]) => elementCount(dims) > LARGE)
        ? EFFORTS.less
        : subject.effort,
    });
    let worst: VerifyRow | undefined;
    for (const input of wrt) {
      if (!probe.reaches(input)) continue;
      const judgement = await probe.judged([input], DELICATE.has(node.op));
      const row = { kind: "operator" as const, name: node.name, op: node.op, input };
      if (worst === undefined || rank(judgement) > rank(worst)) {
        worst = { ...row, ...shown(judgement) };
      }
    }
    return worst;
  } catch (thrown) {
    // Some gradients are only written beside their neighbours; the whole model covers them.
    if (thrown instanceof RavnError) return undefined;
    throw thrown;
  }
}

/** A gradient that differs is worse than one that is merely less exact. */
function rank(
  { verdict, relative = 0 }: { readonly verdict: string; readonly relative?: number },
): number {
  return (verdict === "differs" ? 1e6 : 0) + (verdict === "unclear" ? 0 : relative);
}

/** A judgement as a row has it: what is not finite is left out. */
export function shown(judgement: Judgement): Omit<VerifyRow, "kind" | "name"> {
  const { verdict, relative, analytic, numeric, step } = judgement;
  return { verdict, analytic, numeric, step, ...(isFinite(relative) ? { relative } : {}) };
}
