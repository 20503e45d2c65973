import { z } from "zod";
import { RavnError } from "../error.ts";
import { checkKeys, isObject, shown } from "./node_file_value.ts";

const positive = (unit: string) => {
  const expected = `a positive number${unit}`;
  return z.number(expected).positive(expected);
};
const milliseconds = z.number("a number of ms, 0 or more").min(0, "a number of ms, 0 or more");

const operatorTime = z.strictObject({ forward_ms: milliseconds, backward_ms: milliseconds });

/**
 * Key `probe` of a node: what was measured on its machine. Each number takes the place of what
 * `benchmarks` says.
 */
export const probeSchema = z.strictObject({
  /** Cores that are free for training; nodes on one machine share them. */
  cores: positive("").optional(),
  /** Memory that is free for training, MB (2^20 bytes); nodes on one machine share it. */
  memory_mb: positive(" of MB").optional(),
  /** Speed on the model's operators, relative to the machine on which `clusterize` measures. */
  speed: positive("").optional(),
  /** Measured operators by their cost key (`costKey`), for one micro-batch on this node. */
  times: z.record(z.string(), operatorTime, "an object of times by operator").optional(),
  /** When it was measured (ISO 8601, UTC). */
  measured_at: z.iso.datetime('a time like "2026-01-31T12:00:00Z"').optional(),
});

/** What was measured of the way to another node. */
export const linkSchema = z.strictObject({
  /** Rate from this node to the other one, Mbit/s (10^6 bits). */
  bandwidth_mbps: positive(" of Mbps"),
  /** One way. */
  latency_ms: milliseconds,
});

/** What was measured on a node's machine. */
export type NodeProbe = z.output<typeof probeSchema>;
/** What was measured of the way from one node to another. */
export type NodeLink = z.output<typeof linkSchema>;

/** A value of the node file by its schema. @throws {RavnError} naming the key that is wrong */
function read<T>(
  schema: z.ZodObject & { readonly _zod: { readonly output: T } },
  value: unknown,
  where: string,
  key: string,
): T {
  if (!isObject(value)) {
    throw new RavnError(
      `${where}: ${key} must be an object with ${
        Object.keys(schema.shape).map((name) => `"${name}"`).join(", ")
      }, got ${shown(value)}`,
    );
  }
  checkKeys(value, Object.keys(schema.shape), `${where}: ${key}`);
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const { path, message } = result.error.issues[0]!;
  const got = path.reduce<unknown>(
    (inner, name) => isObject(inner) ? inner[String(name)] : undefined,
    value,
  );
  throw new RavnError(
    `${where}: ${[key, ...path].join(".")} must be ${message}, got ${shown(got)}`,
  );
}

/**
 * Reads the key `probe` of a node.
 *
 * @param where file and node, for error messages
 * @throws {RavnError} naming file, node and key where it is wrong
 */
export function readProbe(value: unknown, where: string): NodeProbe {
  return read<NodeProbe>(probeSchema, value, where, "probe");
}

/**
 * Reads the key `links` of a node: other nodes by name or id.
 *
 * @param where file and node, for error messages
 * @throws {RavnError} naming file, node and key where it is wrong
 */
export function readLinks(value: unknown, where: string): Map<string, NodeLink> {
  if (!isObject(value)) {
    throw new RavnError(
      `${where}: links must be an object of other nodes, each with "bandwidth_mbps" and ` +
        `"latency_ms", got ${shown(value)}`,
    );
  }
  return new Map(
    Object.entries(value).map((
      [other, link],
    ) => [other, read<NodeLink>(linkSchema, link, where, `links.${other}`)]),
  );
}
