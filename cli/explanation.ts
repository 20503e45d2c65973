import type { Explanation, LinkPrediction, Prediction } from "../core/planning/mod.ts";
import type { Terminal } from "./output.ts";
import { byteSize, grouped } from "./table.ts";

/** Limits that are named beside the tightest. */
const LIMITS = 3;

/** Shows how fast a plan is expected to be, where the time goes, and what would help. */
export function showExplanation({ prediction, changes }: Explanation, terminal: Terminal): void {
  prediction.clusters.forEach((cluster, c) => showCluster(cluster, c, terminal));
  if (prediction.clusters.length > 1) {
    terminal.line(`all clusters: ${grouped(prediction.samples_per_s)} samples/s\n`);
  }
  if (changes.length === 0) {
    return terminal.line("none of the changes that were tried would help by 1 % or more\n");
  }
  terminal.line(terminal.style("bold", "what would help most"));
  for (const { what, gain_percent, note } of changes) {
    const noted = note === undefined ? "" : ` (${note})`;
    terminal.line(`  +${gain_percent.toFixed(0)} %  ${what}${noted}`);
  }
  terminal.line();
}

function showCluster(cluster: Prediction, c: number, terminal: Terminal): void {
  const { step_ms, samples_per_s, bubble, stages, links, limits } = cluster;
  terminal.line(
    `cluster ${c}, everything counted: ${milliseconds(step_ms)} ms a step, ${
      grouped(samples_per_s)
    } ` +
      `samples/s, bubble ${(100 * bubble).toFixed(0)} %`,
  );
  const named = limits.slice(0, LIMITS).map(({ what, step_ms }) =>
    `${what} (${milliseconds(step_ms)} ms)`
  );
  terminal.line(`limited by ${named.join(", then ")}`);
  terminal.table([
    { title: "node", value: (row) => row.node },
    { title: "forward ms", value: (row) => milliseconds(row.forward_ms) },
    { title: "backward", value: (row) => milliseconds(row.backward_ms + row.weights_ms) },
    { title: "update", value: (row) => milliseconds(row.update_ms) },
    { title: "overhead", value: (row) => milliseconds(row.overhead_ms) },
    { title: "waiting", value: (row) => milliseconds(row.waiting_ms) },
    { title: "memory", value: (row) => `${byteSize(row.memory_bytes)} of` },
    { title: "", value: (row) => byteSize(row.ram_bytes) },
  ], stages);
  if (links.length > 0) showLinks(links, step_ms, terminal);
  terminal.line();
}

function showLinks(links: readonly LinkPrediction[], step_ms: number, terminal: Terminal): void {
  terminal.table([
    { title: "link", value: ({ from, to }) => `${from} → ${to}` },
    { title: "bytes a step", value: ({ bytes }) => byteSize(bytes) },
    { title: "busy ms", value: ({ busy_ms }) => milliseconds(busy_ms) },
    { title: "% of the step", value: ({ busy_ms }) => Math.round(100 * busy_ms / step_ms) },
  ], links);
}

/** Three digits, as many as a prediction has. */
export function milliseconds(ms: number): string {
  return ms >= 100
    ? ms.toFixed(0)
    : ms >= 10
    ? ms.toFixed(1)
    : ms >= 1
    ? ms.toFixed(2)
    : ms.toFixed(3);
}
