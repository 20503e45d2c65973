import { RavnError } from "../error.ts";
import { ADDRESS_FORM, parseAddress } from "./address.ts";
import type { Address } from "./address.ts";
import { parseJson } from "./json_text.ts";
import { nearest } from "./nearest.ts";

/** A machine of the pool, as `node_configs.json` describes it. */
export interface NodeConfig {
  /** Key in the file: 0 to n-1. */
  readonly id: number;
  /** `node_<id>` unless the file gives a name. */
  readonly name: string;
  readonly address: Address;
  /** Memory for training, GB (1 GB = 2^30 bytes). */
  readonly ram_gb: number;
  /** Network bandwidth, Mbit/s (10^6 bits). */
  readonly bandwidth_mbps: number;
  /** Compute speed relative to the machine on which operators were timed. */
  readonly speed: number;
}

const NODE_KEYS = ["IP", "benchmarks", "name"];
const BENCHMARK_KEYS = ["ram", "bandwidth", "speed"];
const NODE_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/;

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A wrong value as the user wrote it, shortened. */
function shown(value: unknown): string {
  if (value === undefined) return "nothing";
  const text = JSON.stringify(value);
  return text.length > 40 ? `${text.slice(0, 37)}...` : text;
}

function checkKeys(object: Record<string, unknown>, known: readonly string[], where: string): void {
  for (const key of Object.keys(object)) {
    if (known.includes(key)) continue;
    throw new RavnError(
      `${where}: unknown key "${key}": did you mean "${nearest(key, known)}"? ` +
        `(known: ${known.join(", ")})`,
    );
  }
}

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

function readNode(id: number, value: unknown, file: string): NodeConfig {
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
  return {
    id,
    name,
    address,
    ram_gb: positive(benchmarks, "ram", " of GB", where),
    bandwidth_mbps: positive(benchmarks, "bandwidth", " of Mbps", where),
    speed: benchmarks["speed"] === undefined ? 1 : positive(benchmarks, "speed", "", where),
  };
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

/**
 * Reads `node_configs.json`: `{"0": {"IP": "host:port", "benchmarks": {"ram": GB, "bandwidth":
 * Mbps, "speed"?: 1}, "name"?}, …}`.
 *
 * @param text contents of the file
 * @param file its name, for error messages
 * @returns the nodes in the order of their ids
 * @throws {RavnError} naming file, node and key where the file is wrong
 */
export function parseNodeConfigs(text: string, file: string): NodeConfig[] {
  const value = parseJson(text, file);
  if (!isObject(value)) {
    throw new RavnError(`${file}: expected an object of nodes "0", "1", …, got ${shown(value)}`);
  }
  checkIds(Object.keys(value), file);
  const nodes = Object.keys(value).map((_, id) => readNode(id, value[String(id)], file));
  checkUnique(nodes, file, "IP", (node) => node.address.text);
  checkUnique(nodes, file, "name", (node) => node.name);
  return nodes;
}
