import { Option } from "commander";
import { type DeviceName, DEVICES, type TrainRequest } from "../core/run/requests.ts";
import { configHelp } from "./config_help.ts";
import { scoreText } from "./score.ts";
import { type Assignment, assignment, wholeNumber, withBarrier } from "./values.ts";
import { verb } from "./verb.ts";

type Flags = {
  config?: string;
  single?: true;
  set: readonly Assignment[];
  device?: DeviceName;
  threads?: number;
  trace?: true;
  force?: true;
  barrier?: true;
};

/** `ravn train` */
export const train = verb<TrainRequest>({
  examples: [
    ["ravn train", "all providers of the plan, on this machine"],
    ["ravn train --single", "the unsplit model, in one process"],
    ["ravn train --set epochs=5 --set optimizer.lr=0.01", "with other values than ravn.yaml's"],
    ["ravn train --config other.yaml --json > events.jsonl", "events for a program to read"],
  ],
  declare: (command) =>
    command
      .option("--config <file>", "training configuration (default: ravn.yaml)")
      .option("--single", "train the unsplit model in one process")
      .addOption(
        new Option("--set <key=value...>", "use another value than the configuration's")
          .argParser(assignment).default([], "none"),
      )
      .addOption(
        new Option("--device <device>", "where to compute (default: the configuration's)")
          .choices(DEVICES),
      )
      .option(
        "--threads <n>",
        "threads of each process (default: the configuration's)",
        wholeNumber(1),
      )
      .option("--barrier", "wait for each average of the clusters: reduce_delay=0")
      .option("--trace", "write down what each node does, for ravn trace")
      .option("--force", "train anew what has been trained"),
  notes: async (engine, width) => `\n${configHelp(await engine.configKeys(), width)}`,
  read: (command) => {
    const { single = false, force = false, barrier, ...flags } = command.opts<Flags>();
    return { ...flags, set: withBarrier(flags.set, barrier), single, force };
  },
  run: async (request, { engine, terminal, host }) => {
    const report = await engine.train(request, host);
    terminal.event({ event: "trained", ...report });
    for (const file of report.trained) terminal.line(`wrote ${file}`);
    if (report.metrics) terminal.line(scoreText(report.metrics));
  },
});
