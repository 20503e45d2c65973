import { Option } from "commander";
import {
  type ClusterizeRequest,
  type Recompute,
  RECOMPUTES,
  type Split,
  SPLITS,
} from "../core/run/requests.ts";
import { clusters, wholeNumber } from "./values.ts";
import { verb } from "./verb.ts";

type Flags = {
  config?: string;
  nodes: string;
  split?: Split;
  clusters?: number | string;
  batch?: number;
  seed?: number;
  inFlight?: number;
  recompute?: Recompute;
  dryRun?: true;
  force?: true;
};

/** `ravn clusterize [model.onnx]` */
export const clusterize = verb<ClusterizeRequest>({
  examples: [
    ["ravn clusterize model.onnx", "plan for node_data/node_configs.json and write node_data/"],
    ["ravn clusterize model.onnx --dry-run", "show the plan, write nothing"],
    ["ravn clusterize model.onnx --split ravnest", "cut by Ravnest's shares"],
    ["ravn clusterize model.onnx --clusters 2 --seed 7", "two replicas of the model"],
    ["ravn clusterize model.onnx --clusters '0,1;2,3'", "two replicas, on these nodes"],
  ],
  declare: (command) =>
    command
      .argument("[model.onnx]", "model to cut (default: the configuration's)")
      .option("--config <file>", "training configuration (default: ravn.yaml)")
      .option("--nodes <file>", "the nodes there are", "node_data/node_configs.json")
      .addOption(
        new Option("--split <way>", "what the stages share equally (default: the configuration's)")
          .choices(SPLITS),
      )
      .option("--clusters <k>", "how many, or their nodes (default: what suits them)", clusters)
      .option("--batch <n>", "batch size to plan for (default: the configuration's)", count)
      .option("--seed <n>", "seed of the search (default: the configuration's)", wholeNumber())
      .option("--in-flight <n>", "micro-batches under way (default: number of stages)", count)
      .addOption(
        new Option("--recompute <when>", "compute activations again (default: the configuration's)")
          .choices(RECOMPUTES),
      )
      .option("--dry-run", "show the plan and write nothing")
      .option("--force", "replace a plan whose stages have been trained"),
  read: (command) => {
    const { dryRun = false, force = false, ...flags } = command.opts<Flags>();
    const [model] = command.args;
    return { ...(model === undefined ? {} : { model }), ...flags, dryRun, force };
  },
  run: async (request, { engine, terminal, host }) => {
    const { log, table, plan, nodes, files } = await engine.clusterize(request, host);
    terminal.event({ event: "plan", plan, files });
    terminal.line(`${log}\n\n\n${table}\n`);
    if (request.dryRun) return terminal.hint("dry run: nothing was written");
    terminal.hint(`next: ravn train, or on each node as in: ravn provide --name ${nodes[0]}`);
  },
});

const count = wholeNumber(1);
