import { dirname, join } from "node:path";
import { readAddress } from "../address.ts";
import { RavnError } from "../error.ts";
import { hostShares } from "../planning/mod.ts";
import type { Plan, PlanCluster, PlanStage } from "../planning/mod.ts";
import type { StageProgram } from "../training/mod.ts";
import { layAverages } from "./averaging_layout.ts";
import type { AveragingLayout } from "./averaging_layout.ts";
import type { Config } from "./config.ts";
import type { LoadedModel } from "./model_file.ts";
import { exists, NodeData } from "./node_data.ts";
import type { NodeFile } from "./node_data.ts";
import { stageContents, writeFiles } from "./stage_files.ts";

/** Folders and files of `node_data/` that a plan consists of; a new plan replaces them. */
const isPlanned = (name: string): boolean =>
  /^cluster_\d+$/.test(name) || ["nodes", "plan.json", "model.onnx", "model_data"].includes(name);

/** Files that training leaves in a stage's folder. */
const isTrained = (name: string): boolean =>
  /^(trained|checkpoint)(\.\d+)?\.safetensors$/.test(name);

/**
 * Makes sure that a new plan takes no trained weights away.
 *
 * @throws {RavnError} naming the first trained file, unless `force`
 */
export async function checkReplaceable(data: NodeData, force: boolean): Promise<void> {
  if (force || !await exists(data.root)) return;
  for await (const cluster of Deno.readDir(data.root)) {
    if (!cluster.isDirectory || !isPlanned(cluster.name)) continue;
    const folder = join(data.root, cluster.name);
    for await (const stage of Deno.readDir(folder)) {
      if (!stage.isDirectory) continue;
      for await (const file of Deno.readDir(join(folder, stage.name))) {
        if (!isTrained(file.name)) continue;
        throw new RavnError(
          `${join(folder, stage.name, file.name)} holds trained weights, which a new plan would ` +
            `replace; fuse them first, or give --force to drop them`,
        );
      }
    }
  }
}

/** What `writePlan` writes. */
export interface PlanToWrite {
  readonly data: NodeData;
  readonly plan: Plan;
  /** Programs of the stages, by cluster. */
  readonly programs: readonly (readonly StageProgram[])[];
  /** The model's file and its data files, for `fuse`. */
  readonly model: Pick<LoadedModel, "file" | "bytes" | "external">;
  readonly config: Config;
}

/**
 * Writes a plan into `node_data/`: everything aside first, then moved into place, so that a failure
 * on the way leaves the old plan as it was.
 *
 * @returns the files, as seen from the folder of `ravn.yaml`
 */
export async function writePlan(o: PlanToWrite): Promise<string[]> {
  const { data } = o;
  const aside = join(data.root, `.new-${crypto.randomUUID()}`);
  try {
    const files = await contentsOf(o);
    const folders = Map.groupBy(files, ([path]) => path.slice(0, path.lastIndexOf("/") + 1));
    for (const [folder, entries] of folders) {
      const named = entries.map(([path, content]) => [path.slice(folder.length), content] as const);
      await writeFiles(join(aside, folder), new Map(named));
    }
    await copyModelData(o.model, join(aside, "model_data"));
    await keepSecret(join(aside, "nodes"));
    for await (const { name } of Deno.readDir(data.root)) {
      if (isPlanned(name)) await Deno.remove(join(data.root, name), { recursive: true });
    }
    for await (const { name } of Deno.readDir(aside)) {
      await Deno.rename(join(aside, name), join(data.root, name));
    }
    return files.map(([path]) => join(data.root, path));
  } finally {
    if (await exists(aside)) await Deno.remove(aside, { recursive: true });
  }
}

/** Copies a model's data files. */
async function copyModelData(
  { file, external }: PlanToWrite["model"],
  folder: string,
): Promise<void> {
  for (const location of external) {
    const copy = join(folder, location);
    await Deno.mkdir(dirname(copy), { recursive: true });
    await Deno.copyFile(join(dirname(file), location), copy);
  }
}

/** Node files hold the run's token: only their owner may read them. */
async function keepSecret(folder: string): Promise<void> {
  if (Deno.build.os === "windows") return;
  for await (const { name } of Deno.readDir(folder)) await Deno.chmod(join(folder, name), 0o600);
}

/** Paths below `node_data/` and what goes there; `plan.json` comes last. */
async function contentsOf(o: PlanToWrite): Promise<[string, Uint8Array | string][]> {
  const { plan, programs, model, config } = o;
  const text = `${JSON.stringify(plan, null, 2)}\n`;
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  const plan_hash = new Uint8Array(digest).toHex();
  const token = crypto.getRandomValues(new Uint8Array(32)).toHex();
  const loss = plannedLoss(config);
  const files: [string, Uint8Array | string][] = [["model.onnx", model.bytes]];
  const members = plan.clusters.map(({ stages }, c) =>
    stages.map(({ name, address }, s) => ({ name, address, manifest: programs[c]![s]!.manifest }))
  );
  const averages = members.length > 1 ? layAverages(members) : undefined;
  const shares = hostShares(plan.clusters);
  plan.clusters.forEach((cluster, c) => {
    cluster.stages.forEach((stage, s) => {
      const folder = NodeData.stage(cluster.id, stage.address).slice("node_data/".length);
      for (const [name, content] of stageContents(programs[c]![s]!)) {
        files.push([`${folder}/${name}`, content]);
      }
      const averaging = averages && { averaging: averages[c]![s]! };
      const host_share = shares.get(stage.node)!;
      const common = { token, plan_hash, loss, host_share, ...averaging };
      const node = nodeFileOf(plan, cluster, stage, common);
      files.push([`nodes/${stage.name}.json`, `${JSON.stringify(node, null, 2)}\n`]);
    });
  });
  files.push(["plan.json", text]);
  return files;
}

/** What of the configuration is built into the graphs besides the model. */
export function plannedLoss({ loss, labels, freeze }: Config): string {
  return JSON.stringify({ loss, labels, ...(freeze.length === 0 ? {} : { freeze }) });
}

function nodeFileOf(
  plan: Plan,
  cluster: PlanCluster,
  stage: PlanStage,
  o: {
    readonly token: string;
    readonly plan_hash: string;
    readonly loss: string;
    readonly host_share: number;
    readonly averaging?: AveragingLayout;
  },
): NodeFile {
  const info = plan.node_info.find(({ node }) => node === stage.node)!;
  const own = readAddress(stage.address);
  const next = cluster.stages[stage.stage + 1];
  const before = cluster.stages[stage.stage - 1];
  const forward = next && readAddress(next.address);
  const backward = before && readAddress(before.address);
  return {
    format: 1,
    node_id: stage.node,
    name: stage.name,
    local_host: own.host,
    local_port: own.port,
    template_path: NodeData.stage(cluster.id, stage.address),
    rank: cluster.id,
    ring_size: plan.clusters.length,
    cluster_length: cluster.stages.length,
    stage: stage.stage,
    node_type: stage.role,
    param_addresses: info.address_to_param,
    ring_ids: info.ring_ids,
    forward_target_host: forward?.host ?? null,
    forward_target_port: forward?.port ?? null,
    backward_target_host: backward?.host ?? null,
    backward_target_port: backward?.port ?? null,
    peers: cluster.stages.map(({ stage, name, address }) => ({ stage, name, address })),
    in_flight: cluster.in_flight,
    schedule: plan.schedule,
    micro_batches: plan.micro_batches,
    batch_size: plan.batch_size,
    ...o,
  };
}
