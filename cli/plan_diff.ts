import type { MovedOperators, NodePlace, PlanDiff } from "../core/planning/mod.ts";
import { milliseconds } from "./explanation.ts";
import type { Terminal } from "./output.ts";
import { byteSize } from "./table.ts";

/**
 * Shows what differs between two plans.
 *
 * @param file the plan that this one is compared with
 */
export function showDiff(diff: PlanDiff, file: string, terminal: Terminal): void {
  const { settings, clusters, nodes, moved } = diff;
  if (settings.length + clusters.length + nodes.length + moved.length === 0) {
    return terminal.line(`the same plan as ${file}\n`);
  }
  terminal.line(terminal.style("bold", `from ${file} to this plan`));
  for (const { key, before, after } of settings) terminal.line(`${key}: ${before} → ${after}`);
  for (const { cluster, before_ms, after_ms } of clusters) {
    terminal.line(
      `cluster ${cluster}: ${stepText(before_ms)} → ${stepText(after_ms)}` +
        gainText(before_ms, after_ms),
    );
  }
  for (const { node, before, after } of nodes) {
    terminal.line(`${node}: ${placeText(before)} → ${placeText(after)}`);
  }
  for (const each of moved) terminal.line(movedText(each));
  terminal.line();
}

function stepText(ms: number | undefined): string {
  return ms === undefined ? "not there" : `${milliseconds(ms)} ms a step`;
}

function gainText(before_ms: number | undefined, after_ms: number | undefined): string {
  if (before_ms === undefined || after_ms === undefined || after_ms === 0) return "";
  const percent = 100 * (before_ms / after_ms - 1);
  return ` (speed ${percent >= 0 ? "+" : ""}${percent.toFixed(0)} %)`;
}

function placeText(place: NodePlace | undefined): string {
  if (place === undefined) return "not there";
  const { cluster, stage, operators, memory_bytes, computed_ms } = place;
  return `cluster ${cluster}, stage ${stage}, ${operators} operators, ${byteSize(memory_bytes)}, ` +
    `${milliseconds(computed_ms)} ms`;
}

function movedText({ cluster, from = "nobody", to = "nobody", operators }: MovedOperators): string {
  const [first] = operators;
  const which = operators.length === 1
    ? first
    : `${first} … ${operators.at(-1)} (${operators.length})`;
  return `cluster ${cluster}: ${which}: ${from} → ${to}`;
}
