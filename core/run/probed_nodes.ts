import { readWhole, writeWhole } from "../data/mod.ts";
import { parseJson, parseNodeConfigs } from "../planning/mod.ts";
import type { NodeLink, NodeProbe } from "../planning/mod.ts";

/** What was measured of a node, for the node file. */
export interface ProbedNode {
  readonly probe: NodeProbe;
  /** Ways to other nodes by their ids. */
  readonly links: ReadonlyMap<number, NodeLink>;
}

type Entry = Record<string, unknown> & { links?: Record<string, unknown> };

/**
 * The text of a node file with what was measured: `probe` of a node is replaced, its `links` take
 * the place of those to the same nodes. All other keys stay as they are.
 *
 * @throws {RavnError} where the file is wrong
 */
export function withProbes(
  text: string,
  file: string,
  probed: ReadonlyMap<number, ProbedNode>,
): string {
  const names = parseNodeConfigs(text, file).map(({ name }) => name);
  const nodes = parseJson(text, file) as Record<string, Entry>;
  for (const [id, { probe, links }] of probed) {
    const entry = nodes[String(id)];
    if (entry === undefined) continue;
    entry["probe"] = rounded(probe);
    const kept = { ...entry.links };
    for (const [other, link] of links) {
      // A node may stand there by its name: it must not stand there twice.
      delete kept[names[other] ?? ""];
      kept[String(other)] = rounded(link);
    }
    if (Object.keys(kept).length > 0) entry.links = kept;
  }
  return `${JSON.stringify(nodes, null, 2)}\n`;
}

/** Four digits are more than a measurement has. */
function rounded(values: object): object {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => [
      key,
      typeof value === "number" ? Number(value.toPrecision(4)) : value,
    ]),
  );
}

/**
 * Writes what was measured into a node file, aside first. The file is read anew, for others may
 * have written to it meanwhile; the caller sees to it that none does right now.
 *
 * @throws {RavnError} where the file is wrong or cannot be written
 */
export async function writeProbes(
  file: string,
  probed: ReadonlyMap<number, ProbedNode>,
): Promise<void> {
  const text = new TextDecoder().decode(await readWhole(file));
  const changed = withProbes(text, file, probed);
  parseNodeConfigs(changed, file);
  await writeWhole(file, changed);
}
