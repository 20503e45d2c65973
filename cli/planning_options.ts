import { type Command, Option } from "commander";
import type { Objective } from "../core/planning/mod.ts";
import { type Recompute, RECOMPUTES, type Split, SPLITS } from "../core/run/requests.ts";
import { clusters, wholeNumber } from "./values.ts";

/** What `declarePlanning` adds to a command line. */
export type PlanningFlags = {
  config?: string;
  nodes: string;
  split?: Split;
  clusters?: number | string;
  objective?: Objective;
  batch?: number;
  seed?: number;
  inFlight?: number;
  recompute?: Recompute;
};

const count = wholeNumber(1);

/** Adds the argument and the options that say what is to be planned. */
export function declarePlanning(command: Command): Command {
  return command
    .argument("[model.onnx]", "model to cut (default: the configuration's)")
    .option("--config <file>", "training configuration (default: ravn.yaml)")
    .option("--nodes <file>", "the nodes there are", "node_data/node_configs.json")
    .addOption(
      new Option("--split <way>", "what the stages share equally (default: the configuration's)")
        .choices(SPLITS),
    )
    .option("--clusters <k>", "how many, or their nodes (default: what suits them)", clusters)
    .addOption(
      new Option("--objective <aim>", "what clusters are formed for (default: balance)")
        .choices(["balance", "throughput"]),
    )
    .option("--batch <n>", "batch size to plan for (default: the configuration's)", count)
    .option("--seed <n>", "seed of the search (default: the configuration's)", wholeNumber())
    .option("--in-flight <n>", "micro-batches under way (default: number of stages)", count)
    .addOption(
      new Option("--recompute <when>", "compute activations again (default: the configuration's)")
        .choices(RECOMPUTES),
    );
}
