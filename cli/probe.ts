import type { ProbeReport, ProbeRequest } from "../core/run/requests.ts";
import type { Terminal } from "./output.ts";
import { seconds } from "./values.ts";
import { verb } from "./verb.ts";

type Flags = {
  name?: string;
  config?: string;
  nodes: string;
  token?: string;
  timeout?: number;
};

/** `ravn probe --name node_1` */
export const probe = verb<ProbeRequest>({
  examples: [
    ["ravn probe --name node_1", "on every node at about the same time"],
    ["ravn probe --name node_0 --timeout 10", "wait 10 s for the others"],
    ["RAVN_TOKEN=… ravn probe --name node_1", "with a secret that all nodes know"],
  ],
  declare: (command) =>
    command
      .option("--name <node>", "node that this is (default: the only one of this machine)")
      .option("--config <file>", "training configuration (default: ravn.yaml)")
      .option("--nodes <file>", "the nodes there are", "node_data/node_configs.json")
      .option("--token <token>", "secret (default: RAVN_TOKEN, else node_data/probe_token)")
      .option(
        "--timeout <s>",
        "seconds to wait for the others (default: configuration's)",
        seconds,
      ),
  read: (command, environment) => {
    const { timeout, token, ...flags } = command.opts<Flags>();
    const secret = token ?? environment("RAVN_TOKEN");
    return {
      ...flags,
      ...(secret ? { token: secret } : {}),
      ...(timeout === undefined ? {} : { timeout_s: timeout }),
    };
  },
  run: async (request, { engine, terminal, host }) => {
    const report = await engine.probe(request, host);
    terminal.event({ event: "probe", ...report });
    show(report, terminal);
  },
});

function show(report: ProbeReport, terminal: Terminal): void {
  const { node, cores, memory_mb, operators_ms, links, missing, file } = report;
  terminal.line(
    `${node}: ${cores} cores, ${Math.round(memory_mb)} MB free, ` +
      `${operators_ms.toPrecision(3)} ms for the model's operators`,
  );
  if (links.length > 0) {
    terminal.line();
    terminal.table([
      { title: "link to", value: (row) => `${row.node} (${row.address})` },
      { title: "by", value: (row) => row.via },
      { title: "Mbit/s there", value: (row) => Math.round(row.out_mbps) },
      { title: "back", value: (row) => Math.round(row.in_mbps) },
      { title: "ms one way", value: (row) => row.latency_ms },
      { title: "speed", value: (row) => row.speed },
    ], links);
  }
  for (const { node, why } of missing) {
    terminal.warn(`${node} was not measured: ${why}; its benchmarks count as before`);
  }
  terminal.hint(`wrote ${file}; next: ravn plan`);
}
