import type { ClusterizeRequest } from "../core/run/requests.ts";
import { showExplanation } from "./explanation.ts";
import { declarePlanning, type PlanningFlags } from "./planning_options.ts";
import { verb } from "./verb.ts";

type Flags = PlanningFlags & {
  dryRun?: true;
  explain?: true;
  force?: true;
};

/** `ravn clusterize [model.onnx]` */
export const clusterize = verb<ClusterizeRequest>({
  examples: [
    ["ravn clusterize model.onnx", "plan for node_data/node_configs.json and write node_data/"],
    ["ravn clusterize model.onnx --dry-run", "show the plan, write nothing"],
    ["ravn clusterize model.onnx --explain", "and say how fast it is, and what would help"],
    ["ravn clusterize model.onnx --split ravnest", "cut by Ravnest's shares"],
    ["ravn clusterize model.onnx --clusters 2 --seed 7", "two replicas of the model"],
    ["ravn clusterize model.onnx --clusters '0,1;2,3'", "two replicas, on these nodes"],
  ],
  declare: (command) =>
    declarePlanning(command)
      .option("--dry-run", "show the plan and write nothing")
      .option("--explain", "predict how fast the plan is, and what would help most")
      .option("--force", "replace a plan whose stages have been trained"),
  read: (command) => {
    const { dryRun = false, explain = false, force = false, ...flags } = command.opts<Flags>();
    const [model] = command.args;
    return { ...(model === undefined ? {} : { model }), ...flags, dryRun, explain, force };
  },
  run: async (request, { engine, terminal, host }) => {
    const { log, table, plan, nodes, files, explanation } = await engine.clusterize(request, host);
    terminal.event({ event: "plan", plan, files, ...explanation });
    terminal.line(`${log}\n\n\n${table}\n`);
    if (explanation !== undefined) showExplanation(explanation, terminal);
    if (request.dryRun) return terminal.hint("dry run: nothing was written");
    terminal.hint(`next: ravn train, or on each node as in: ravn provide --name ${nodes[0]}`);
  },
});
