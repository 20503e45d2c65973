import { RavnError } from "../error.ts";
import type { StageManifest } from "../training/mod.ts";
import type { NodeFile } from "./node_data.ts";

/**
 * Refuses a node's file that contradicts itself, or the files of the stage that it names.
 *
 * @param file the node's file, for the message
 * @param name the node, as it was called
 * @throws {RavnError} naming the file, what it says and what was expected
 */
export function checkNodeFile(
  file: string,
  node: NodeFile,
  name: string,
  { stage, stages }: Pick<StageManifest, "stage" | "stages">,
): void {
  const { rank, ring_size, cluster_length, peers, template_path } = node;
  const stagesOfPeers = peers.map((peer) => peer.stage).sort((a, b) => a - b);
  const own = peers.find((peer) => peer.stage === node.stage)?.name;
  const said: readonly [key: string, value: unknown, expected: unknown, where: string][] = [
    ["name", node.name, name, "its own name"],
    ["stage", node.stage, stage, template_path],
    ["cluster_length", cluster_length, stages, template_path],
    ["peers", `[${stagesOfPeers}]`, `[${Array.from({ length: stages }, (_, i) => i)}]`, "stages"],
    ["peers", own, name, `stage ${node.stage}`],
    ["rank", rank, Math.min(rank, ring_size - 1), `ring_size ${ring_size}`],
  ];
  const wrong = said.find(([, value, expected]) => value !== expected);
  if (wrong === undefined) return;
  const [key, value, expected, where] = wrong;
  throw new RavnError(
    `${file}: ${key} is ${value}, expected ${expected} (${where}); run ravn clusterize again, ` +
      `and give every node its files anew`,
  );
}
