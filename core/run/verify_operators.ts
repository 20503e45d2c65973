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
import type { Subject } from "./verify_subject.ts";
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

/**
 * Every distinct operator of a model alone, while there is time: first one of each kind, the small
 * ones before the large.
 */
export async function operatorRows(
  subject: Subject,
  hasTime: () => boolean,
): Promise<{ readonly rows: VerifyRow[]; readonly of: number }> {
  const distinct = distinctNodes(subject);
  const rows: VerifyRow[] = [];
  let of = distinct.length;
  if (!hasTime()) return { rows, of };
  const values = await activations(subject, distinct);
  for (const { node, wrt } of kindsFirst(distinct, values)) {
    const row = hasTime() ? await operatorRow(subject, { node, wrt }, values, hasTime) : "no time";
    if (row === "no time") break;
    if (row === "not alone") of--;
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

/** The smallest node of each operator, then the second smallest of each, and so on. */
function kindsFirst(nodes: readonly Distinct[], values: Point): Distinct[] {
  const size = ({ node }: Distinct) =>
    node.inputs.reduce((sum, name) => sum + (values.get(name)?.bytes.byteLength ?? 0), 0);
  const sizes = new Map(nodes.map((each) => [each, size(each)]));
  const counts = new Map<string, number>();
  const rising = nodes.toSorted((a, b) => sizes.get(a)! - sizes.get(b)!);
  return rising.map((each) => {
    const before = counts.get(each.node.op) ?? 0;
    counts.set(each.node.op, before + 1);
    return { each, before };
  }).sort((a, b) => a.before - b.before).map(({ each }) => each);
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

/** The worst of an operator's inputs. */
async function operatorRow(
  subject: Subject,
  { node, wrt }: Distinct,
  values: Point,
  hasTime: () => boolean,
): Promise<VerifyRow | "not alone" | "no time"> {
  const { training: { graph, facts }, parameters } = subject;
  const random = subject.random.fork(`operator ${node.name}`);
  const own = wrt.map((name) => [name, values.get(name)!] as const);
  const point = KINKED.has(node.op) ? new Map([...values, ...jittered(own, random)]) : values;
  const isLarge = own.some(([, { dims }]) => elementCount(dims) > LARGE);
  const effort = isLarge ? EFFORTS.less : subject.effort;
  try {
    using probe = await GradientProbe.open({
      ...subject,
      ...{ facts, point, wrt, random, effort, hasTime },
      graph: aloneGraph(node, new Set(parameters), graph, facts),
    });
    let worst: VerifyRow | undefined;
    for (const input of wrt) {
      if (!probe.reaches(input)) continue;
      const judgement = await probe.judged([input], DELICATE.has(node.op));
      if (judgement === undefined) return worst?.verdict === "differs" ? worst : "no time";
      const row = { kind: "operator" as const, name: node.name, op: node.op, input };
      if (worst === undefined || rank(judgement) > rank(worst)) {
        worst = { ...row, ...shown(judgement) };
      }
    }
    return worst ?? "not alone";
  } catch (thrown) {
    // Some gradients are only written beside their neighbours; the whole model covers them.
    if (thrown instanceof RavnError) return "not alone";
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
