import type { SimulateReport } from "../core/run/simulate_requests.ts";
import { WAITS } from "../core/simulation/mod.ts";
import type { Terminal } from "./output.ts";
import { byteSize, type Column, grouped } from "./table.ts";

/** Clusters and links that are shown; `--json` has all of them. */
const CLUSTERS_SHOWN = 8;
const LINKS_SHOWN = 8;
/** So many stages are shown all; of more, those of the slowest cluster. */
const STAGES_SHOWN = 16;

type Cluster = SimulateReport["clusters"][number];
type Stage = SimulateReport["stages"][number];
type Link = SimulateReport["links"][number];

/** What a simulation tells, for people. */
export function printSimulation(terminal: Terminal, report: SimulateReport): void {
  const { title, nodes, clusters, updates, wall_ms, stages } = report;
  const many = clusters.length === 1 ? "1 cluster" : `${grouped(clusters.length)} clusters`;
  terminal.line(`${title}; ${grouped(nodes)} nodes in ${many}, seed ${report.seed}`);
  terminal.line(
    `${grouped(updates)} updates in ${(wall_ms / 1000).toFixed(2)} s of virtual time: ` +
      `${report.steps_per_s.toFixed(3)} steps/s, ${report.samples_per_s.toFixed(1)} samples/s, ` +
      `bubble ${percent(report.bubble)} %`,
  );
  terminal.line(`late by 0, 1, 2, … updates: ${report.staleness.map(grouped).join(", ")}`);
  if (report.averaging !== undefined) printAveraging(terminal, report.averaging);
  const slowest = clusters.toSorted((a, b) => b.step_ms - a.step_ms);
  terminal.line(`\nclusters, the slowest first${rest(slowest.length, CLUSTERS_SHOWN)}`);
  terminal.table(CLUSTERS, slowest.slice(0, CLUSTERS_SHOWN));
  const all = stages.length <= STAGES_SHOWN;
  const shown = all ? stages : stages.filter(({ cluster }) => cluster === slowest[0]!.cluster);
  terminal.line(`\nstages${all ? "" : ` of cluster ${slowest[0]!.cluster}`}, % of the time`);
  terminal.table(stageColumns(shown), shown);
  const busiest = report.links.filter(({ bytes }) => bytes > 0).sort((a, b) => b.busy - a.busy);
  if (busiest.length === 0) return;
  terminal.line(`\nlinks, the busiest first${rest(busiest.length, LINKS_SHOWN)}`);
  terminal.table(LINKS, busiest.slice(0, LINKS_SHOWN));
}

function printAveraging(
  terminal: Terminal,
  { rounds, mean_ms, longest_ms, waited_mean_ms, bytes }: NonNullable<SimulateReport["averaging"]>,
): void {
  terminal.line(
    `averaged ${grouped(rounds)} times: ${mean_ms.toFixed(1)} ms, ${longest_ms.toFixed(1)} ms at ` +
      `most; a node waited ${waited_mean_ms.toFixed(1)} ms in all; ${byteSize(bytes)} sent`,
  );
}

function rest(count: number, shown: number): string {
  return count > shown ? ` (${shown} of ${grouped(count)}; --json has all)` : "";
}

function percent(share: number): string {
  return (share * 100).toFixed(1);
}

const CLUSTERS: readonly Column<Cluster>[] = [
  { title: "cluster", value: ({ cluster }) => cluster },
  { title: "stages", value: ({ stages }) => stages },
  { title: "step ms", value: ({ step_ms }) => step_ms.toFixed(2) },
  { title: "predicted ms", value: ({ predicted_ms }) => predicted_ms.toFixed(2) },
  { title: "bubble %", value: ({ bubble }) => percent(bubble) },
];

/** A column for each cause for which any of them waited. */
function stageColumns(stages: readonly Stage[]): Column<Stage>[] {
  const causes = WAITS.filter((cause) => stages.some(({ waits_ms }) => waits_ms[cause] > 0));
  return [
    { title: "node", value: ({ node }) => node },
    { title: "cluster", value: ({ cluster }) => cluster },
    { title: "stage", value: ({ stage }) => stage },
    { title: "busy", value: ({ bubble }) => percent(1 - bubble) },
    ...causes.map((cause): Column<Stage> => ({
      title: cause,
      value: ({ waits_ms, busy_ms }) => {
        const all = Object.values(waits_ms).reduce((sum, ms) => sum + ms, busy_ms);
        return waits_ms[cause] === 0 ? undefined : percent(waits_ms[cause] / all);
      },
    })),
    { title: "outstanding", value: ({ outstanding }) => outstanding },
    { title: "early", value: ({ early }) => early },
  ];
}

const LINKS: readonly Column<Link>[] = [
  { title: "from", value: ({ from }) => from },
  { title: "to", value: ({ to }) => to },
  { title: "messages", value: ({ messages }) => messages },
  { title: "bytes", value: ({ bytes }) => byteSize(bytes) },
  { title: "busy %", value: ({ busy }) => percent(busy) },
  { title: "waiting", value: ({ waiting_mean }) => waiting_mean.toFixed(2) },
  { title: "at most", value: ({ waiting_most }) => waiting_most },
];
