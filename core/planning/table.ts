import type { Plan, PlanStage } from "./plan_schema.ts";

/** A Python literal, as the walkthrough prints it. */
function quoted(text: string): string {
  const escaped = text.replaceAll("\\", "\\\\");
  return escaped.includes("'") && !escaped.includes('"')
    ? `"${escaped}"`
    : `'${escaped.replaceAll("'", "\\'")}'`;
}

function dictionary(entries: readonly (readonly [key: string, value: string])[]): string {
  return `{${entries.map(([key, value]) => `${key}: ${quoted(value)}`).join(", ")}}`;
}

/** The block that the walkthrough shows for every node, two blank lines between the blocks. */
export function planLog(plan: Plan): string {
  return plan.node_info.map(({ node, cluster, address, ring_ids, address_to_param }) => {
    const rings = Object.entries(ring_ids).sort(([a], [b]) => Number(a) - Number(b));
    const addresses = Object.entries(address_to_param)
      .map(([to, parameter]) => [quoted(to), parameter] as const);
    return [
      `Node(${node}, Cluster(${cluster})) `,
      `self.IP(${address}) `,
      `Ring IDs(${dictionary(rings)}) `,
      `Address2Param(${dictionary(addresses)})`,
    ].join("\n");
  }).join("\n\n\n");
}

/** Rows of cells as aligned text; columns in `left` stand left, the others (numbers) right. */
export function alignedRows(
  rows: readonly (readonly string[])[],
  left: ReadonlySet<number>,
): string {
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from(
    { length: columns },
    (_, c) => Math.max(...rows.map((row) => row[c]?.length ?? 0)),
  );
  const line = (row: readonly string[]): string =>
    row.map((cell, c) => left.has(c) ? cell.padEnd(widths[c]!) : cell.padStart(widths[c]!))
      .join("  ").trimEnd();
  return rows.map(line).join("\n");
}

/** `12.3 KB`; 1 KB = 1,024 bytes */
function bytesText(bytes: number): string {
  const units = ["B", "KB", "MB", "GB"];
  let unit = 0;
  while (bytes >= 1024 && unit < units.length - 1) {
    bytes /= 1024;
    unit++;
  }
  return `${unit === 0 || bytes >= 100 ? Math.round(bytes) : bytes.toFixed(1)} ${units[unit]}`;
}

function milliseconds(ms: number): string {
  return ms >= 100 ? ms.toFixed(0) : ms >= 1 ? ms.toFixed(1) : ms.toFixed(3);
}

/** `conv2d_1 … bn_2 (11)` */
function operatorsText({ operators }: PlanStage): string {
  const [first] = operators;
  const last = operators.at(-1);
  return operators.length === 1 ? `${first}` : `${first} … ${last} (${operators.length})`;
}

const HEAD = [
  "stage",
  "node",
  "role",
  "operators",
  "parameters",
  "memory",
  "predicted ms",
  "bytes sent",
];
const TEXT_COLUMNS: ReadonlySet<number> = new Set([1, 2, 3]);

/**
 * What every stage of a plan is and costs, as aligned lines: a table for each cluster. Memory
 * stands with `*` where activations are computed again; times and bytes are for one micro-batch.
 */
export function planTable(plan: Plan): string {
  return plan.clusters.map((cluster) => {
    const rows = cluster.stages.map((stage) => {
      const { forward_ms, backward_ms } = stage.predicted;
      return [
        String(stage.stage),
        `${stage.name} (${stage.address})`,
        stage.role,
        operatorsText(stage),
        stage.parameter_count.toLocaleString("en-US"),
        `${bytesText(stage.memory.total)}${stage.recompute ? "*" : ""}`,
        milliseconds(forward_ms + backward_ms),
        bytesText(stage.bytes_sent),
      ];
    });
    const title = `cluster ${cluster.id}: ${cluster.stages.length} ` +
      `${cluster.stages.length === 1 ? "stage" : "stages"}, ` +
      `predicted ${milliseconds(cluster.predicted_step_ms)} ms a step`;
    return `${title}\n${alignedRows([HEAD, ...rows], TEXT_COLUMNS)}`;
  }).join("\n\n");
}
