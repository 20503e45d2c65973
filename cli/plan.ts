import type { PlanRequest } from "../core/run/requests.ts";
import { showDiff } from "./plan_diff.ts";
import { showExplanation } from "./explanation.ts";
import { declarePlanning, type PlanningFlags } from "./planning_options.ts";
import { verb } from "./verb.ts";

type Flags = PlanningFlags & { diff?: string };

/** `ravn plan [model.onnx]` */
export const plan = verb<PlanRequest>({
  examples: [
    ["ravn plan", "what clusterize would do, how fast it is, and what would help"],
    ["ravn plan --clusters 2 --in-flight 4", "the same for another plan"],
    ["ravn plan --diff node_data/plan.json", "what would change"],
    ["ravn plan --json", "plan, prediction and changes for a program to read"],
  ],
  declare: (command) =>
    declarePlanning(command).option("--diff <plan.json>", "show what differs from another plan"),
  read: (command) => {
    const [model] = command.args;
    return { ...(model === undefined ? {} : { model }), ...command.opts<Flags>() };
  },
  run: async (request, { engine, terminal, host }) => {
    const { table, plan, explanation, diff } = await engine.plan(request, host);
    terminal.event({ event: "plan", plan, files: [], ...explanation, ...(diff ? { diff } : {}) });
    terminal.line(`${table}\n`);
    showExplanation(explanation, terminal);
    if (diff !== undefined) showDiff(diff, request.diff!, terminal);
    terminal.hint("nothing was written; next: ravn clusterize, with the same options");
  },
});
