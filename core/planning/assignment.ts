import { RavnError } from "../error.ts";

/**
 * Reads an explicit assignment of nodes to clusters, e.g. `"0,1,2;3,4"`. Clusters are separated by
 * semicolons, their nodes by commas, in the order of the pipeline.
 *
 * @param count number of nodes in the pool; each must be named once
 * @throws {RavnError} naming the wrong part
 */
export function parseAssignment(text: string, count: number): number[][] {
  const clusters = text.split(";").map((part) =>
    part.split(",").map((item) => {
      const id = item.trim();
      if (!/^\d{1,6}$/.test(id)) {
        throw new RavnError(
          `clusters "${text}": "${id}" is not a node id: expected ids like "0,1,2;3,4"`,
        );
      }
      return Number(id);
    })
  );
  checkAssignment(clusters, count, `clusters "${text}"`);
  return clusters;
}

/**
 * @throws {RavnError} where the clusters do not hold each node 0 to `count - 1` exactly once
 */
export function checkAssignment(
  clusters: readonly (readonly number[])[],
  count: number,
  where: string,
): void {
  const seen = new Set<number>();
  for (const nodes of clusters) {
    if (nodes.length === 0) throw new RavnError(`${where}: a cluster has no nodes`);
    for (const id of nodes) {
      if (!Number.isInteger(id) || id < 0 || id >= count) {
        throw new RavnError(`${where}: there is no node ${id}: the ids go from 0 to ${count - 1}`);
      }
      if (seen.has(id)) throw new RavnError(`${where}: node ${id} stands in it twice`);
      seen.add(id);
    }
  }
  for (let id = 0; id < count; id++) {
    if (!seen.has(id)) {
      throw new RavnError(
        `${where}: node ${id} is missing: name it, or take it out of node_configs.json`,
      );
    }
  }
}
