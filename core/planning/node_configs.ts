import { RavnError } from "../error.ts";
import { ADDRESS_FORM, parseAddress, sameHost } from "../address.ts";
import type { Address } from "../address.ts";
import { parseJson } from "./json_text.ts";
import { checkKeys, isObject, shown } from "./node_file_value.ts";
import { readLinks, readProbe } from "./node_measurements.ts";
import type { NodeLink, NodeProbe } from "./node_measurements.ts";
import { nearest } from "./nearest.ts";

/** A machine of the pool, as `node_configs.json` describes it. */
export interface NodeConfig {
  /** Key in the file: 0 to n-1. */
  readonly id: number;
  /** `node_<id>` unless the file gives a name. */
  readonly name: string;
  readonly address: Address;
  /** Memory for training, GB (1 GB = 2^30 bytes): a share of what was measured, if less. */
  readonly ram_gb: number;
  /** Network bandwidth, Mbit/s (10^6 bits), for links that were not measured. */
  readonly bandwidth_mbps: number;
  /** Compute speed relative to the machine on which operators were timed. */
  readonly speed: number;
  /** What was measured on the node's machine. */
  readonly probe?: NodeProbe;
  /** What was measured of the ways to other nodes, by their ids. */
  readonly links?: ReadonlyMap<number, NodeLink>;
}

/** A node, and its links by the other nodes' names or ids, as they stand in the file. */
interface NodeEntry {
  readonly node: NodeConfig;
  readonly links: ReadonlyMap<string, NodeLink>;
}

const NODE_KEYS = ["IP", "benchmarks", "name", "probe", "links"];
const BENCHMARK_KEYS = ["ram", "bandwidth", "speed"];
const NODE_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/;

function positive(
  benchmarks: Record<string, unknown>,
  key: string,
  unit: string,
  where: string,
): number {
  const value = benchmarks[key];
  if (typeof value === "number" && Number.isFinite(value) && value > 0) return value;
  throw new RavnError(
    `${where}: benchmarks.${key} must be a positive number${unit}, got ${shown(value)}`,
  );
}

function readNode(id: number, value: unknown, file: string): NodeEntry {
  const where = `${file}: node ${id}`;
  if (!isObject(value)) {
    throw new RavnError(
      `${where} must be an object with "IP" and "benchmarks", got ${shown(value)}`,
    );
  }
  checkKeys(value, NODE_KEYS, where);
  const { IP, benchmarks, name = `node_${id}` } = value;
  const address = typeof IP === "string" ? parseAddress(IP) : undefined;
  if (address === undefined) {
    throw new RavnError(`${where}: IP must be ${ADDRESS_FORM}, got ${shown(IP)}`);
  }
  if (!isObject(benchmarks)) {
    throw new RavnError(
      `${where}: benchmarks must be an object with "ram" (GB) and "bandwidth" (Mbps), ` +
        `got ${shown(benchmarks)}`,
    );
  }
  checkKeys(benchmarks, BENCHMARK_KEYS, `${where}: benchmarks`);
  if (typeof name !== "string" || !NODE_NAME.test(name)) {
    throw new RavnError(
      `${where}: name must be up to 64 letters, digits, "_", "-" or ".", got ${shown(name)}`,
    );
  }
  const speed = benchmarks["speed"] === undefined ? 1 : positive(benchmarks, "speed", "", where);
  const probe = value["probe"] === undefined ? undefined : readProbe(value["probe"], where);
  const node = {
    id,
    name,
    address,
    ram_gb: positive(benchmarks, "ram", " of GB", where),
    bandwidth_mbps: positive(benchmarks, "bandwidth", " of Mbps", where),
    speed: probe?.speed ?? speed,
    ...(probe === undefined ? {} : { probe }),
  };
  const links = value["links"] === undefined ? new Map() : readLinks(value["links"], where);
  return { node, links };
}

/** Ids must be 0 to n-1, each once: they are the order of the pipeline. */
function checkIds(keys: readonly string[], file: string): void {
  if (keys.length === 0) {
    throw new RavnError(`${file}: no nodes: expected at least node "0" with "IP" and "benchmarks"`);
  }
  for (const key of keys) {
    if (!/^(0|[1-9]\d{0,5})$/.test(key)) {
      throw new RavnError(
        `${file}: key "${key}" is not a node id: expected "0", "1", "2" and so on`,
      );
    }
  }
  for (let id = 0; id < keys.length; id++) {
    if (keys.includes(String(id))) continue;
    throw new RavnError(
      `${file}: node ${id} is missing: ${keys.length} nodes must have the ids ` +
        `"0" to "${keys.length - 1}", got ${keys.map((key) => `"${key}"`).join(", ")}`,
    );
  }
}

function checkUnique(
  nodes: readonly NodeConfig[],
  file: string,
  key: string,
  of: (node: NodeConfig) => string,
): void {
  const seen = new Map<string, number>();
  for (const node of nodes) {
    const text = of(node);
    const other = seen.get(text);
    if (other !== undefined) {
      throw new RavnError(
        `${file}: node ${node.id}: ${key} "${text}" is already that of node ${other}: ` +
          `every node needs its own`,
      );
    }
    seen.set(text, node.id);
  }
}

/** Two spellings of one machine at one port: `localhost:8080` and `127.0.0.1:8080`. */
function checkPorts(nodes: readonly NodeConfig[], file: string): void {
  const byPort = Map.groupBy(nodes, ({ address }) => address.port);
  for (const group of byPort.values()) {
    group.forEach((node, i) => {
      const other = group.slice(0, i).find(({ address }) => sameHost(address, node.address));
      if (other === undefined) return;
      throw new RavnError(
        `${file}: node ${node.id}: IP "${node.address.text}" is the machine and port of node ` +
          `${other.id} ("${other.address.text}"): every node needs its own port`,
      );
    });
  }
}

/** A node's links by the ids of the others. */
function linksOf(
  { node, links }: NodeEntry,
  nodes: readonly NodeConfig[],
  byName: ReadonlyMap<string, NodeConfig>,
  file: string,
): Map<number, NodeLink> {
  const found = new Map<number, NodeLink>();
  for (const [key, link] of links) {
    const where = `${file}: node ${node.id}: links.${key}`;
    const other = byName.get(key) ?? (/^\d+$/.test(key) ? nodes[Number(key)] : undefined);
    if (other === undefined) {
      const meant = nearest(key, nodes.map(({ name }) => name));
      throw new RavnError(`${where}: there is no such node: did you mean "${meant}"?`);
    }
    if (other === node) throw new RavnError(`${where}: a node has no link to itself`);
    const known = found.get(other.id);
    if (known !== undefined && JSON.stringify(known) !== JSON.stringify(link)) {
      throw new RavnError(
        `${where}: the link to node ${other.id} is given twice, with other values: ` +
          `${shown(known)} and ${shown(link)}: keep one`,
      );
    }
    found.set(other.id, link);
  }
  return found;
}

/** Nodes of one machine share the memory that was found free on it. */
function withShare(node: NodeConfig, nodes: readonly NodeConfig[]): NodeConfig {
  const memory_mb = node.probe?.memory_mb;
  if (memory_mb === undefined) return node;
  const here = nodes.filter(({ address }) => sameHost(address, node.address)).length;
  return { ...node, ram_gb: Math.min(node.ram_gb, memory_mb / here / 1024) };
}

/**
 * Reads `node_configs.json`: `{"0": {"IP": "host:port", "benchmarks": {"ram": GB, "bandwidth":
 * Mbps, "speed"?: 1}, "name"?, "probe"?, "links"?}, …}`, where `probe` and `links` hold what was
 * measured (`probeSchema`, `linkSchema`) and count instead of `benchmarks`.
 *
 * @param text contents of the file
 * @param file its name, for error messages
 * @returns the nodes in the order of their ids
 * @throws {RavnError} naming file, node and key where the file is wrong or contradicts itself
 */
export function parseNodeConfigs(text: string, file: string): NodeConfig[] {
  const value = parseJson(text, file);
  if (!isObject(value)) {
    throw new RavnError(`${file}: expected an object of nodes "0", "1", …, got ${shown(value)}`);
  }
  checkIds(Object.keys(value), file);
  const entries = Object.keys(value).map((_, id) => readNode(id, value[String(id)], file));
  const nodes = entries.map(({ node }) => node);
  checkUnique(nodes, file, "IP", (node) => node.address.text);
  checkUnique(nodes, file, "name", (node) => node.name);
  checkPorts(nodes, file);
  const byName = new Map(nodes.map((node) => [node.name, node]));
  return entries.map((entry): NodeConfig => {
    const node = withShare(entry.node, nodes);
    const links = linksOf(entry, nodes, byName, file);
    return links.size === 0 ? node : { ...node, links };
  });
}
