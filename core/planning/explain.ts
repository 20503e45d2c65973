import { RavnError } from "../error.ts";
import type { Schedule } from "../pipeline/mod.ts";
import type { OperatorTimes } from "./cost.ts";
import type { NodeConfig } from "./node_configs.ts";
import type { NodeLink } from "./node_measurements.ts";
import { makePlan } from "./plan.ts";
import type { PlanInput } from "./plan.ts";
import type { Plan } from "./plan_schema.ts";
import type { Prediction } from "./predict.ts";
import { predictPlan } from "./predict_plan.ts";
import type { PlanPrediction, PlanPredictionTerms } from "./predict_plan.ts";
import { wayBetween } from "./links.ts";

/** A change to nodes or settings, and what it is predicted to bring. */
export interface Change {
  /** What to do, e.g. `in_flight: 6`. */
  readonly what: string;
  /** More samples a second, in percent. */
  readonly gain_percent: number;
  readonly samples_per_s: number;
  /** What else it changes, where it is not free. */
  readonly note?: string;
}

/** A plan's predicted speed, and what would make it faster. */
export interface Explanation {
  readonly prediction: PlanPrediction;
  /** The best first. */
  readonly changes: readonly Change[];
}

/** Changes that are named. */
const NAMED = 3;
/** A gain below this is no gain: predictions are not finer. */
const GAIN_PERCENT_LEAST = 1;
/** Nodes that are left out, or moved, one after the other at most. */
const NODES_TRIED = 8;
/** Share of the bytes that f16 takes. */
const HALF = 0.5;
/** Schedules other than the plan's that are tried. */
const SCHEDULES: readonly Schedule[] = ["async", "1f1b", "zb"];

/** A change to be tried: of one kind the best is named. */
interface Trial {
  readonly kind: string;
  readonly what: string;
  readonly note?: string;
  readonly input?: PlanInput;
  readonly terms?: Partial<PlanPredictionTerms>;
}

/**
 * Predicts a plan, and tries changes: each is planned anew with the same clusters, and predicted.
 *
 * @param input what the plan was made from
 */
export function explainPlan(input: PlanInput, plan: Plan, terms: PlanPredictionTerms): Explanation {
  const prediction = predictPlan(plan, input.nodes, terms);
  const fixed = { ...input, clusters: plan.clusters.map(({ nodes }) => nodes) };
  const best = new Map<string, Change>();
  for (const trial of trialsOf({ input: fixed, plan, prediction, terms })) {
    const samples_per_s = tried(trial, fixed, plan, terms);
    if (samples_per_s === undefined) continue;
    const gain_percent = 100 * (samples_per_s / prediction.samples_per_s - 1);
    if (!(gain_percent >= GAIN_PERCENT_LEAST)) continue;
    if (gain_percent <= (best.get(trial.kind)?.gain_percent ?? 0)) continue;
    const { what, note } = trial;
    const noted = note === undefined ? {} : { note };
    best.set(trial.kind, { what, gain_percent, samples_per_s, ...noted });
  }
  const changes = [...best.values()]
    .sort((a, b) => b.gain_percent - a.gain_percent)
    .slice(0, NAMED);
  return { prediction, changes };
}

/** Samples a second with a change, or undefined where there is no plan then. */
function tried(
  { input, terms: changed }: Trial,
  fixed: PlanInput,
  plan: Plan,
  terms: PlanPredictionTerms,
): number | undefined {
  try {
    const planned = input === undefined ? plan : makePlan(input);
    const { nodes } = input ?? fixed;
    return predictPlan(planned, nodes, { ...terms, ...changed }).samples_per_s;
  } catch (thrown) {
    if (thrown instanceof RavnError) return undefined;
    throw thrown;
  }
}

/** A plan that changes are tried on. */
interface Subject {
  /** What it was made from, with its clusters given. */
  readonly input: PlanInput;
  readonly plan: Plan;
  readonly prediction: PlanPrediction;
  readonly terms: PlanPredictionTerms;
}

function* trialsOf(subject: Subject): Generator<Trial> {
  yield* settingTrials(subject);
  yield* linkTrials(subject);
  yield* machineTrials(subject);
  yield* orderTrials(subject);
}

function* settingTrials({ input, plan }: Subject): Generator<Trial> {
  const { schedule, micro_batches, batch_size } = input;
  const stages = Math.max(...plan.clusters.map(({ nodes }) => nodes.length));
  if (schedule === "async" && stages > 1) {
    const now = Math.max(...plan.clusters.map(({ in_flight }) => in_flight));
    for (const in_flight of new Set([stages, now + 1, 2 * stages])) {
      if (in_flight === now) continue;
      const note = in_flight > now ? "older weights, more memory" : undefined;
      yield {
        kind: "in_flight",
        what: `in_flight: ${in_flight}`,
        input: { ...input, in_flight },
        ...(note === undefined ? {} : { note }),
      };
    }
  }
  for (const other of SCHEDULES) {
    if (other === schedule || stages === 1) continue;
    const note = other === "async" ? "gradients of older weights" : "the same numbers as one node";
    yield {
      kind: "schedule",
      what: `schedule: ${other}`,
      note,
      input: inMicroBatches({ ...input, schedule: other }, other === "async" ? 1 : 2 * stages),
    };
  }
  for (const count of new Set([2 * micro_batches, Math.ceil(micro_batches / 2)])) {
    if (count === micro_batches || count > batch_size) continue;
    yield {
      kind: "micro_batches",
      what: `micro_batches: ${count}`,
      input: inMicroBatches(input, count),
    };
  }
  if (plan.clusters.some((cluster) => cluster.stages.some(({ recompute }) => recompute))) {
    yield {
      kind: "recompute",
      what: "recompute: off",
      note: "more memory",
      input: { ...input, recompute: "off" },
    };
  }
  if (input.split !== "time") {
    yield { kind: "split", what: "split: time", input: { ...input, split: "time" } };
  }
}

/** The same with other micro-batches: measured times are in proportion to their samples. */
function inMicroBatches(input: PlanInput, micro_batches: number): PlanInput {
  const size = (count: number) => Math.ceil(input.batch_size / count);
  const factor = size(micro_batches) / size(input.micro_batches);
  const scaled = (times: OperatorTimes): OperatorTimes =>
    new Map([...times].map(([name, { forward_ms, backward_ms }]) => [
      name,
      { forward_ms: factor * forward_ms, backward_ms: factor * backward_ms },
    ]));
  const times = input.times === undefined ? {} : { times: scaled(input.times) };
  return { ...input, micro_batches, ...times };
}

/** The slowest cluster, which holds the others up where they average. */
function slowest(plan: Plan, { clusters }: PlanPrediction): [Plan["clusters"][number], Prediction] {
  let at = 0;
  clusters.forEach(({ step_ms }, c) => {
    if (step_ms > clusters[at]!.step_ms) at = c;
  });
  return [plan.clusters[at]!, clusters[at]!];
}

function* linkTrials({ input, plan, prediction, terms }: Subject): Generator<Trial> {
  const [cluster, { links }] = slowest(plan, prediction);
  if (links.length === 0) return;
  const { activations = 1, gradients = 1 } = terms.packed ?? {};
  if (Math.max(activations, gradients) > HALF) {
    yield {
      kind: "compression",
      what: "compression: {activations: f16, gradients: f16}",
      note: "numbers of 11 bits on the way",
      terms: {
        packed: { activations: Math.min(HALF, activations), gradients: Math.min(HALF, gradients) },
      },
    };
  }
  for (let s = 0; s + 1 < cluster.nodes.length; s++) {
    const a = input.nodes[cluster.nodes[s]!]!;
    const b = input.nodes[cluster.nodes[s + 1]!]!;
    const { bandwidth_mbps, isLocal } = wayBetween(a, b);
    if (isLocal) continue;
    yield {
      kind: "link",
      what: `a link of ${2 * bandwidth_mbps} Mbit/s between ${a.name} and ${b.name} ` +
        `(now ${bandwidth_mbps})`,
      input: { ...input, nodes: withFasterLink(input.nodes, a, b) },
    };
  }
}

/** Both directions of a link at twice the rate, and the connections of both ends with it. */
function withFasterLink(
  nodes: readonly NodeConfig[],
  a: NodeConfig,
  b: NodeConfig,
): NodeConfig[] {
  const faster = (from: NodeConfig, to: NodeConfig): NodeConfig => {
    const { bandwidth_mbps, latency_ms } = wayBetween(from, to);
    const links = new Map(from.links).set(to.id, {
      bandwidth_mbps: 2 * bandwidth_mbps,
      latency_ms,
    });
    return { ...from, links };
  };
  return nodes.map((node) => node === a ? faster(a, b) : node === b ? faster(b, a) : node);
}

function* machineTrials({ input, plan, prediction }: Subject): Generator<Trial> {
  const [cluster, { limits }] = slowest(plan, prediction);
  const with_ = (id: number, change: (node: NodeConfig) => NodeConfig): PlanInput => ({
    ...input,
    nodes: input.nodes.map((node) => node.id === id ? change(node) : node),
  });
  for (const { node: id, recompute, memory, name } of cluster.stages.slice(0, NODES_TRIED)) {
    const { ram_gb } = input.nodes[id]!;
    if (recompute || memory.total > 0.8 * ram_gb * 2 ** 30) {
      yield {
        kind: "memory",
        what: `1 GB more on ${name}`,
        input: with_(id, (node) => ({ ...node, ram_gb: ram_gb + 1 })),
      };
    }
    yield {
      kind: "speed",
      what: `a machine of twice the speed for ${name}`,
      input: with_(id, (node) => ({ ...node, speed: 2 * node.speed })),
    };
  }
  if (limits[0]?.kind === "cores") {
    yield {
      kind: "cores",
      what: `twice as many ${limits[0].what}`,
      terms: { cores: 2 },
    };
  }
  if (cluster.nodes.length < 2) return;
  for (const id of cluster.nodes.slice(0, NODES_TRIED)) {
    yield {
      kind: "drop",
      what: `leave ${input.nodes[id]!.name} out`,
      input: without(input, plan, id),
    };
  }
}

/** The same without a node: those after it move up by one, since ids have no gaps. */
function without(input: PlanInput, plan: Plan, dropped: number): PlanInput {
  const moved = (id: number) => id > dropped ? id - 1 : id;
  const nodes = input.nodes.filter(({ id }) => id !== dropped).map((node): NodeConfig => {
    if (node.links === undefined) return { ...node, id: moved(node.id) };
    const links = new Map<number, NodeLink>();
    for (const [other, link] of node.links) if (other !== dropped) links.set(moved(other), link);
    return { ...node, id: moved(node.id), links };
  });
  const clusters = plan.clusters
    .map((cluster) => cluster.nodes.filter((id) => id !== dropped).map(moved))
    .filter((ids) => ids.length > 0);
  return { ...input, nodes, clusters };
}

/** Neighbours of the slowest pipeline that change places. */
function* orderTrials({ input, plan, prediction }: Subject): Generator<Trial> {
  const [{ id, nodes }] = slowest(plan, prediction);
  for (let s = 0; s + 1 < Math.min(nodes.length, NODES_TRIED); s++) {
    const order = [...nodes.slice(0, s), nodes[s + 1]!, nodes[s]!, ...nodes.slice(s + 2)];
    const clusters = plan.clusters.map((cluster, c) => c === id ? order : cluster.nodes);
    const [before, after] = [input.nodes[nodes[s + 1]!]!.name, input.nodes[nodes[s]!]!.name];
    const given = clusters.map((ids) => ids.join(",")).join(";");
    yield {
      kind: "order",
      what: `${before} before ${after} (--clusters '${given}')`,
      input: { ...input, clusters },
    };
  }
}
