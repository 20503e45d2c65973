import { join } from "node:path";
import { z } from "zod";
import { messageOf, RavnError } from "../error.ts";
import { SCHEDULES } from "../pipeline/mod.ts";
import { averagingLayout } from "./averaging_layout.ts";

/** `nodes/node_<i>.json`: what one provider must know of its place in the plan. */
export const nodeFile = z.object({
  format: z.literal(1),
  node_id: z.number().int().nonnegative(),
  name: z.string(),
  local_host: z.string(),
  local_port: z.number().int(),
  /** Folder with the stage's files, relative to the folder of `ravn.yaml`. */
  template_path: z.string(),
  /** Cluster of the node. */
  rank: z.number().int().nonnegative(),
  /** Number of clusters. */
  ring_size: z.number().int().positive(),
  cluster_length: z.number().int().positive(),
  stage: z.number().int().nonnegative(),
  node_type: z.enum(["root", "stem", "leaf", "single"]),
  param_addresses: z.record(z.string(), z.string()),
  ring_ids: z.record(z.string(), z.string()),
  forward_target_host: z.string().nullable(),
  forward_target_port: z.number().int().nullable(),
  backward_target_host: z.string().nullable(),
  backward_target_port: z.number().int().nullable(),
  /** All nodes of the cluster, by stage. */
  peers: z.array(z.object({ stage: z.number().int(), name: z.string(), address: z.string() })),
  /** Predicted part of the work of all stages on the node's host: more than 0, to 1. */
  host_share: z.number().positive().max(1).default(1),
  /** How the node averages with the other clusters; absent where there is one cluster. */
  averaging: averagingLayout.optional(),
  in_flight: z.number().int().positive(),
  schedule: z.enum(SCHEDULES),
  micro_batches: z.number().int().positive(),
  batch_size: z.number().int().positive(),
  /** The loss that the stage's graphs compute, and who reads the labels, as JSON. */
  loss: z.string(),
  /** Secret of the run: only nodes that know it are let in. */
  token: z.string(),
  /** Hash of the plan: peers with another one are refused. */
  plan_hash: z.string(),
}).strict();

/** @see nodeFile */
export type NodeFile = z.infer<typeof nodeFile>;

/** Names of the files in `node_data/`, seen from the folder of `ravn.yaml`. */
export class NodeData {
  /** @param folder folder of `ravn.yaml` */
  constructor(readonly folder: string) {}

  get root(): string {
    return join(this.folder, "node_data");
  }

  get plan(): string {
    return join(this.root, "plan.json");
  }

  /** The model as it was given to `clusterize`, for `fuse`. */
  get model(): string {
    return join(this.root, "model.onnx");
  }

  /** Folder of the data files of `model`, where it has any. */
  get modelData(): string {
    return join(this.root, "model_data");
  }

  /** Measured operator times, kept between plans. */
  get calibration(): string {
    return join(this.root, "calibration.json");
  }

  /** The fastest formulations of gradients, kept for the next `clusterize`. */
  get formulations(): string {
    return join(this.root, "formulations.json");
  }

  /** Folder of the tokens of text, kept for the next start. */
  get tokens(): string {
    return join(this.root, "tokens");
  }

  get nodes(): string {
    return join(this.root, "nodes");
  }

  node(name: string): string {
    return join(this.nodes, `${name}.json`);
  }

  cluster(id: number): string {
    return join(this.root, `cluster_${id}`);
  }

  /** Folder of a stage's files, relative to `folder`. */
  static stage(cluster: number, address: string): string {
    return join("node_data", `cluster_${cluster}`, folderName(address));
  }
}

/** An address as a folder name: Windows allows no colon in one. */
function folderName(address: string): string {
  return Deno.build.os === "windows" ? address.replaceAll(":", "_") : address;
}

/** The files in a stage's folder. */
export function stageFiles(folder: string, stage: number): {
  readonly manifest: string;
  readonly submodel: string;
  readonly input: string;
  readonly output: string;
  readonly modelInputs: string;
  readonly trained: string;
  readonly checkpoint: string;
  graph(name: string): string;
} {
  return {
    manifest: join(folder, "stage.json"),
    submodel: join(folder, "submod.onnx"),
    input: join(folder, `submod_${stage}_input.json`),
    output: join(folder, `submod_${stage}_output.json`),
    modelInputs: join(folder, "model_inputs.json"),
    trained: join(folder, "trained.safetensors"),
    checkpoint: join(folder, "checkpoint.safetensors"),
    graph: (name) => join(folder, `${name}.onnx`),
  };
}

/**
 * Reads a JSON file that ravn wrote, checked against its schema.
 *
 * @param missing what to do when the file is not there, for the error
 * @throws {RavnError} naming the file and the key
 */
export async function readJson<T>(
  file: string,
  schema: z.ZodType<T>,
  missing: string,
): Promise<T> {
  let text: string;
  try {
    text = await Deno.readTextFile(file);
  } catch (thrown) {
    if (thrown instanceof Deno.errors.NotFound) {
      throw new RavnError(`${file} does not exist; ${missing}`);
    }
    throw new RavnError(`${file} cannot be read: ${messageOf(thrown)}`);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (thrown) {
    throw new RavnError(`${file} is not JSON (${messageOf(thrown)}); run ravn clusterize again`);
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  throw new RavnError(
    `${file}: ${issue.path.join(".") || "the file"}: ${issue.message}; run ravn clusterize again`,
  );
}

/** True when a file or folder of that name exists. */
export async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (thrown) {
    if (thrown instanceof Deno.errors.NotFound) return false;
    throw thrown;
  }
}
