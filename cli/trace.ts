import { join } from "node:path";
import type { TraceReport, TraceRequest } from "../core/run/trace_requests.ts";
import { WAITS } from "../core/run/trace_waits.ts";
import type { Terminal } from "./output.ts";
import { byteSize, type Column } from "./table.ts";
import { verb } from "./verb.ts";

type Flags = { out?: string };

/** `ravn trace [folder]` */
export const trace = verb<TraceRequest>({
  examples: [
    ["ravn train --trace", "train, and write down who does what when"],
    ["ravn trace", "write trace.json of that run, and show where the time went"],
    ["ravn trace run --out shown.json", "another folder, another file"],
    ["ravn trace --json", "shares of time and traffic for a program to read"],
  ],
  declare: (command) =>
    command
      .argument("[folder]", "folder of the run, or of copied trace files", ".")
      .option("--out <file>", "file to write (default: trace.json in the folder)"),
  read: (command) => {
    const [folder] = command.processedArgs as [string];
    const { out = join(folder, "trace.json") } = command.opts<Flags>();
    return { folder, out };
  },
  run: async (request, { engine, terminal }) => {
    const report = await engine.trace(request);
    terminal.event({ event: "trace", ...report });
    printStages(terminal, report.stages);
    if (report.links.length > 0) {
      terminal.line();
      terminal.table(LINKS, report.links);
    }
    terminal.line(`\nwrote ${report.file}`);
    terminal.hint("open it in https://ui.perfetto.dev (nothing is uploaded) or chrome://tracing");
  },
});

type Stage = TraceReport["stages"][number];
type Link = TraceReport["links"][number];

const LINKS: readonly Column<Link>[] = [
  { title: "from", value: ({ from }) => from },
  { title: "to", value: ({ to }) => to },
  { title: "message", value: ({ kind }) => kind },
  { title: "count", value: ({ messages }) => messages },
  { title: "bytes", value: ({ bytes }) => byteSize(bytes) },
  { title: "ms until there", value: ({ delay_us }) => delay_us / 1000 },
];

/** Kinds of work in the order of the columns; others come behind. */
const WORKS = ["forward", "backward", "weights", "step", "norm", "update", "reduce", "adopt"];

/** A row a stage, a column for each thing that any of them did or waited for. */
function printStages(terminal: Terminal, stages: readonly Stage[]): void {
  const kinds = (of: (stage: Stage) => object) => {
    const found = new Set(stages.flatMap((stage) => Object.keys(of(stage))));
    return [...new Set([...WORKS, ...WAITS, ...found])].filter((kind) => found.has(kind));
  };
  const percent = (us: number | undefined, { span_us }: Stage) =>
    us === undefined || span_us === 0 ? undefined : (us / span_us * 100).toFixed(1);
  terminal.table([
    { title: "node", value: ({ node }) => node },
    { title: "cluster", value: ({ cluster }) => cluster },
    { title: "stage", value: ({ stage }) => stage },
    { title: "seconds", value: ({ span_us }) => (span_us / 1e6).toFixed(2) },
    { title: "busy %", value: (stage) => percent(stage.busy_us, stage) },
    ...kinds(({ works }) => works).map((kind): Column<Stage> => ({
      title: kind,
      value: (stage) => percent(stage.works[kind]?.us, stage),
    })),
    { title: "bubble %", value: ({ bubble }) => (bubble * 100).toFixed(1) },
    ...kinds(({ waits }) => waits).map((kind): Column<Stage> => ({
      title: kind,
      value: (stage) => percent(stage.waits[kind as keyof Stage["waits"]]?.us, stage),
    })),
  ], stages);
  terminal.line();
  terminal.table([
    { title: "node", value: ({ node }) => node },
    ...kinds(({ works }) => works).map((kind): Column<Stage> => ({
      title: `${kind} ms`,
      value: ({ works: { [kind]: tally } }) => tally && tally.median_us / 1000,
    })),
  ], stages);
}
