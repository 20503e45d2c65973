import { createHash } from "node:crypto";
import { messageOf, RavnError } from "../error.ts";
import { parsePlan } from "../planning/mod.ts";
import { exists, type NodeData, type NodeFile } from "./node_data.ts";

/** So much of a hash tells two files apart for a reader. */
const SHOWN = 12;

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
  const here = await hashOf(model);
  if (here === planned.sha256) return;
  throw new RavnError(
    `${data.plan} was made for another model: ${planned.file} with SHA-256 ` +
      `${shown(planned.sha256)}, while ${model}, which the configuration names, has ` +
      `${shown(here)}; run ravn clusterize again, or name the planned model`,
  );
}

/**
 * Refuses to join stages into a model that is not the one they were cut from.
 *
 * @throws {RavnError} naming both files, and what to run
 */
export async function checkKeptModel(data: NodeData, sha256: string): Promise<void> {
  const here = await hashOf(data.model);
  if (here === sha256) return;
  throw new RavnError(
    `${data.model} has SHA-256 ${shown(here)}, but ${data.plan} was made for a model with ` +
      `${shown(sha256)}; put the model back that was given to ravn clusterize, or plan and ` +
      `train anew`,
  );
}

function shown(hash: string): string {
  return hash.slice(0, SHOWN);
}

/** SHA-256 of a file in hex; only a piece of it is in memory at a time. */
async function hashOf(path: string): Promise<string> {
  try {
    using file = await Deno.open(path);
    const hash = createHash("sha256");
    const piece = new Uint8Array(1 << 20);
    for (let read = await file.read(piece); read !== null; read = await file.read(piece)) {
      hash.update(piece.subarray(0, read));
    }
    return hash.digest("hex");
  } catch (thrown) {
    throw new RavnError(`${path} cannot be read: ${messageOf(thrown)}`);
  }
}
