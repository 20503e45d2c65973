import { Option } from "commander";
import { type DeviceName, DEVICES, type ProvideRequest } from "../core/run/requests.ts";
import { type Assignment, assignment, seconds, wholeNumber, withBarrier } from "./values.ts";
import { verb } from "./verb.ts";

type Flags = {
  name: string;
  config?: string;
  set: readonly Assignment[];
  inFlight?: number;
  device?: DeviceName;
  threads?: number;
  token?: string;
  timeout?: number;
  trace?: true;
  force?: true;
  barrier?: true;
};

/** `ravn provide --name node_2` */
export const provide = verb<ProvideRequest>({
  examples: [
    ["ravn provide --name node_0", "train the stage that the plan gives node_0"],
    ["ravn provide --name node_1 --device cuda", "the same on a GPU"],
    ["RAVN_TOKEN=… ravn provide --name node_2", "with a run token of your own"],
  ],
  declare: (command) =>
    command
      .requiredOption("--name <node>", "node to be, as named in node_data/nodes/")
      .option("--config <file>", "training configuration (default: ravn.yaml)")
      .addOption(
        new Option("--set <key=value...>", "use another value than the configuration's")
          .argParser(assignment).default([], "none"),
      )
      .option(
        "--in-flight <n>",
        "micro-batches under way (default: number of stages)",
        wholeNumber(1),
      )
      .addOption(
        new Option("--device <device>", "where to compute (default: the configuration's)")
          .choices(DEVICES),
      )
      .option("--threads <n>", "threads (default: the configuration's)", wholeNumber(1))
      .option("--token <token>", "run token (default: RAVN_TOKEN, else the node file's)")
      .option("--timeout <s>", "seconds to wait for peers (default: the configuration's)", seconds)
      .option("--barrier", "wait for each average of the clusters: reduce_delay=0")
      .option("--trace", "write down what the node does, for ravn trace")
      .option("--force", "train a stage anew that has been trained"),
  read: (command, environment) => {
    const { timeout, force = false, token, barrier, ...flags } = command.opts<Flags>();
    const secret = token ?? environment("RAVN_TOKEN");
    return {
      ...flags,
      set: withBarrier(flags.set, barrier),
      force,
      ...(secret ? { token: secret } : {}),
      ...(timeout === undefined ? {} : { timeout_s: timeout }),
    };
  },
  run: (request, { engine, host }) => engine.provide(request, host),
});
