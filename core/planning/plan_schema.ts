import { z } from "zod";
import { RavnError } from "../error.ts";
import { SCHEDULES } from "../pipeline/mod.ts";
import { parseJson } from "./json_text.ts";

/**
 * What clusters are formed for: `balance`, clusters equally fast, as Ravnest; `throughput`, most
 * predicted samples a second.
 */
export const OBJECTIVES = ["balance", "throughput"] as const;
/** One of {@link OBJECTIVES}. */
export type Objective = typeof OBJECTIVES[number];

const index = z.number().int().nonnegative();
const bytes = z.number().nonnegative();
const milliseconds = z.number().nonnegative();
const names = z.array(z.string());

const memory = z.strictObject({
  parameters: bytes,
  gradients: bytes,
  optimizer: bytes,
  versions: bytes,
  activations: bytes,
  buffers: bytes,
  /** Copies of the parameters for averaging with other clusters. */
  averaging: bytes.default(0),
  total: bytes,
});

const receives = z.strictObject({
  value: z.string(),
  /** Stage that sends it, or `data` where the stage reads it from the data set. */
  from: z.union([index, z.literal("data")]),
  bytes_per_sample: bytes,
  /** Whether a gradient goes back for it. */
  gradient: z.boolean(),
});

const sends = z.strictObject({
  value: z.string(),
  /** Stages that read it: each gets it directly. */
  to: z.array(index).min(1),
  bytes_per_sample: bytes,
  /** Whether a gradient comes back from each of them. */
  gradient: z.boolean(),
});

const role = z.enum(["single", "root", "stem", "leaf"]);

const stage = z.strictObject({
  stage: index,
  node: index,
  name: z.string(),
  address: z.string(),
  role,
  /** Names of the model's nodes, in order. */
  operators: names.min(1),
  /** Trainable parameters, in the order in which the operators read them. */
  parameters: names.min(1),
  /** Running statistics. */
  buffers: names,
  /** Elements of the trainable parameters. */
  parameter_count: index,
  memory,
  recompute: z.boolean(),
  /** Micro-batches forwarded and not yet brought back, at most. */
  outstanding: z.number().int().positive(),
  /** Times for one micro-batch. */
  predicted: z.strictObject({
    forward_ms: milliseconds,
    backward_ms: milliseconds,
    traffic_ms: milliseconds,
    /** The optimizer's update, which comes once in several micro-batches perhaps. */
    update_ms: milliseconds.default(0),
  }),
  /** Activations and gradients sent for one micro-batch, over all links. */
  bytes_sent: bytes,
  receives: z.array(receives),
  sends: z.array(sends),
});

const cluster = z.strictObject({
  id: index,
  /** Node ids in the order of the stages. */
  nodes: z.array(index).min(1),
  /** Micro-batches under way in the whole pipeline, at most. */
  in_flight: z.number().int().positive(),
  /** Time of a micro-batch in the slowest stage: what a full pipeline takes for each. */
  predicted_step_ms: milliseconds,
  stages: z.array(stage).min(1),
});

const nodeInfo = z.strictObject({
  node: index,
  name: z.string(),
  address: z.string(),
  cluster: index,
  stage: index,
  role,
  /** First parameter of the node in each ring. */
  ring_ids: z.record(z.string().regex(/^\d+$/), z.string()),
  /** Addresses in the next cluster, each with the first parameter that goes there. */
  address_to_param: z.record(z.string(), z.string()),
});

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** The layout of `plan.json`. */
export const planSchema = z.strictObject({
  format: z.literal(1),
  model: z.looseObject({
    file: z.string(),
    sha256,
    /** SHA-256 of its data files, by their place in its folder; absent where it has none. */
    external: z.record(z.string(), sha256).optional(),
  }),
  batch_size: z.number().int().positive(),
  micro_batches: z.number().int().positive(),
  seed: z.number().int(),
  split: z.enum(["time", "params", "ravnest"]),
  schedule: z.enum(SCHEDULES),
  in_flight: z.union([z.literal("auto"), z.number().int().positive()]),
  /** What the clusters were formed for. */
  objective: z.enum(OBJECTIVES).default("balance"),
  clusters: z.array(cluster).min(1),
  rings: z.array(z.strictObject({ ring: index, parameters: names })),
  /** One entry a node, in the order of the ids. */
  node_info: z.array(nodeInfo).min(1),
});

/** A whole plan: which node runs what, and what it exchanges with which others. */
export type Plan = z.infer<typeof planSchema>;
export type PlanCluster = Plan["clusters"][number];
export type PlanStage = PlanCluster["stages"][number];
export type PlanNode = Plan["node_info"][number];
/** `root` reads data, `leaf` has the loss, `stem` neither; `single` is a whole model. */
export type Role = PlanStage["role"];

/** `clusters[0].stages[1].node` */
function pathText(path: readonly PropertyKey[]): string {
  return path.map((key, i) =>
    typeof key === "number" ? `[${key}]` : `${i === 0 ? "" : "."}${String(key)}`
  ).join("");
}

/**
 * Reads `plan.json`.
 *
 * @param text contents of the file
 * @param file its name, for error messages
 * @throws {RavnError} naming file and key where it is not a whole plan of this format
 */
export function parsePlan(text: string, file: string): Plan {
  const value = parseJson(text, file);
  const again = "run clusterize again";
  if (typeof value === "object" && value !== null && "format" in value && value.format !== 1) {
    const format = JSON.stringify(value.format);
    throw new RavnError(`${file}: plans of format ${format} are not known, only 1: ${again}`);
  }
  const result = planSchema.safeParse(value);
  if (!result.success) {
    const { path, message } = result.error.issues[0]!;
    const where = path.length === 0 ? "" : `${pathText(path)}: `;
    throw new RavnError(`${file}: ${where}${message.replaceAll("\n", " ")}: ${again}`);
  }
  const fault = faultOf(result.data);
  if (fault !== undefined) throw new RavnError(`${file}: ${fault}: ${again}`);
  return result.data;
}

/** What contradicts itself in a plan, if anything does. */
function faultOf(plan: Plan): string | undefined {
  const places = new Map<number, string>();
  for (const [c, { id, nodes, stages }] of plan.clusters.entries()) {
    const where = `cluster ${id}`;
    if (id !== c) return `${where} is not at its place`;
    if (stages.length !== nodes.length) return `${where} has not one stage for each node`;
    const operators = stages.flatMap((s) => s.operators);
    if (new Set(operators).size !== operators.length) {
      return `${where} has an operator in two stages`;
    }
    for (const [s, { stage, node, receives, sends }] of stages.entries()) {
      if (stage !== s || nodes[s] !== node) return `${where}: stage ${s} is not at its place`;
      if (places.has(node)) return `node ${node} has two stages`;
      places.set(node, `${id}/${stage}`);
      const isForward = receives.every(({ from }) => from === "data" ? s === 0 : from < s) &&
        sends.every(({ to }) => to.every((other) => other > s && other < stages.length));
      if (!isForward) return `${where}: stage ${s} exchanges a value with a stage out of order`;
    }
  }
  const isListed = plan.node_info.length === places.size &&
    plan.node_info.every((n, i) => n.node === i && places.get(i) === `${n.cluster}/${n.stage}`);
  return isListed ? undefined : "node_info does not agree with clusters";
}
