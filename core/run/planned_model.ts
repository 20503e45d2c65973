import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import { fileHash } from "../data/mod.ts";
import { RavnError } from "../error.ts";
import { parsePlan } from "../planning/mod.ts";
import type { ModelIdentity } from "../planning/mod.ts";
import type { LoadedModel } from "./model_file.ts";
import { exists, type NodeData, type NodeFile } from "./node_data.ts";

/** So much of a hash tells two files apart for a reader. */
const SHOWN = 12;

/** By what a plan will know a model again: the hashes of its file and of its data files. */
export async function identityOf(
  { file, external }: Pick<LoadedModel, "file" | "external">,
): Promise<ModelIdentity> {
  const sha256 = await fileHash(file);
  if (external.length === 0) return { file, sha256 };
  const hashes: Record<string, string> = {};
  for (const location of external) hashes[location] = await fileHash(join(dirname(file), location));
  return { file, sha256, external: hashes };
}

/**
 * Refuses to train where the folder's plan was made for another model than the configuration's, or
 * where a node's file is of another plan. A node on another machine need have neither plan nor
 * model: what is not there is not compared.
 *
 * @param model the configuration's model, as a path
 * @param node a node's file and its content
 * @throws {RavnError} naming both files, and what to run
 */
export async function checkPlannedModel(
  data: NodeData,
  model: string,
  node?: { readonly file: string; readonly content: Pick<NodeFile, "plan_hash"> },
): Promise<void> {
  if (!await exists(data.plan)) return;
  const text = await Deno.readTextFile(data.plan);
  const hash = createHash("sha256").update(text).digest("hex");
  if (node !== undefined && node.content.plan_hash !== hash) {
    throw new RavnError(
      `${node.file} is of plan ${shown(node.content.plan_hash)}, ${data.plan} is plan ` +
        `${shown(hash)}; run ravn clusterize again, and give every node its files anew`,
    );
  }
  const planned = parsePlan(text, data.plan).model;
  if (!await exists(model)) return;
  const other = await firstOther(model, dirname(model), planned);
  if (other === undefined) return;
  const names = other.file === model ? "the configuration names" : `${model} names`;
  throw new RavnError(
    `${data.plan} was made for another model: ${other.planned} with SHA-256 ` +
      `${shown(other.sha256)}, while ${other.file}, which ${names}, has ` +
      `${shown(other.here)}; run ravn clusterize again, or name the planned model`,
  );
}

/**
 * Refuses to join stages into a model that is not the one they were cut from.
 *
 * @throws {RavnError} naming both files, and what to run
 */
export async function checkKeptModel(data: NodeData, planned: ModelIdentity): Promise<void> {
  const other = await firstOther(data.model, data.modelData, planned);
  if (other === undefined) return;
  throw new RavnError(
    `${other.file} has SHA-256 ${shown(other.here)}, but ${data.plan} was made for a model with ` +
      `${shown(other.sha256)}; put the model back that was given to ravn clusterize, or plan and ` +
      `train anew`,
  );
}

/** A file that is not as it was planned. */
interface OtherFile {
  readonly file: string;
  readonly here: string;
  /** The file that the plan was made for, and its hash. */
  readonly planned: string;
  readonly sha256: string;
}

/**
 * Compares a model whose data files lie in `folder` with the one that a plan was made for. Data
 * files that are not there are not compared.
 */
async function firstOther(
  model: string,
  folder: string,
  { file, sha256, external = {} }: ModelIdentity,
): Promise<OtherFile | undefined> {
  const here = await fileHash(model);
  if (here !== sha256) return { file: model, here, planned: file, sha256 };
  for (const [location, sha256] of Object.entries(external)) {
    const data = join(folder, location);
    if (!await exists(data)) continue;
    const here = await fileHash(data);
    if (here !== sha256) {
      return { file: data, here, planned: join(dirname(file), location), sha256 };
    }
  }
  return undefined;
}

function shown(hash: string): string {
  return hash.slice(0, SHOWN);
}
