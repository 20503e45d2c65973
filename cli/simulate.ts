import { InvalidArgumentError, Option } from "commander";
import { EXIT, RavnError } from "../core/error.ts";
import { SCHEDULES } from "../core/pipeline/mod.ts";
import { OBJECTIVES } from "../core/planning/mod.ts";
import { SIMULATED } from "../core/run/simulate_requests.ts";
import type { SimulateReport, SimulateRequest } from "../core/run/simulate_requests.ts";
import type { Fault } from "../core/simulation/mod.ts";
import { killedNode, slowLink, slowNode } from "./faults.ts";
import type { Terminal } from "./output.ts";
import { printSimulation } from "./simulate_tables.ts";
import { wholeNumber } from "./values.ts";
import { verb } from "./verb.ts";

type Flags = Omit<SimulateRequest, "plan" | "faults"> & {
  slow?: readonly Fault[];
  slowLink?: readonly Fault[];
  kill?: readonly Fault[];
};

/** `ravn simulate [plan.json]` */
export const simulate = verb<SimulateRequest>({
  examples: [
    ["ravn simulate node_data/plan.json", "the plan on its nodes, 100 updates"],
    ["ravn simulate node_data/plan.json --schedule 1f1b --micro-batches 8", "what if?"],
    ["ravn simulate node_data/plan.json --nodes 100 --seed 3", "copies of its clusters"],
    ["ravn simulate --nodes 1000", "a made-up model on a thousand uneven nodes"],
    ["ravn simulate --slow node_3:4x@2-4 --trace trace.json", "a node is slow for two seconds"],
    ["ravn simulate --slow-link node_1/node_2:off@2-3", "a link carries nothing for a second"],
    ["ravn simulate --kill node_2@1.5", "who notices, and when have all ended?"],
  ],
  declare: (command) =>
    command
      .argument("[plan.json]", "what clusterize wrote (default: a plan of a made-up model)")
      .option(
        "--nodes <n|file>",
        "so many made-up nodes, or a node file (default: the plan's)",
        pool,
      )
      .option("--seed <n>", "seed of nodes, noise and jitter", wholeNumber(), SIMULATED.seed)
      .option("--steps <n>", "updates to simulate", count, SIMULATED.steps)
      .addOption(
        new Option("--schedule <name>", "another schedule (default: the plan's, or async)")
          .choices(SCHEDULES),
      )
      .option("--micro-batches <n>", "of a batch (default: the plan's, or 4; async 1)", count)
      .option("--update-frequency <n>", "batches to an update", count, SIMULATED.updateFrequency)
      .option("--reduce-every <n>", "updates between averages (default: one at the end)", count)
      .option(
        "--reduce-delay <n>",
        "updates until an average is taken over",
        wholeNumber(),
        SIMULATED.reduceDelay,
      )
      .option(
        "--overhead <ms>",
        "of a micro-batch on a stage, besides computing",
        atLeastZero,
        SIMULATED.overhead,
      )
      .option(
        "--latency <ms>",
        "one way, of links that were not measured",
        atLeastZero,
        SIMULATED.latency,
      )
      .option("--noise <part>", "spread of computing times", atLeastZero, SIMULATED.noise)
      .option(
        "--jitter <part>",
        "how late messages come, in parts of the latency",
        atLeastZero,
        SIMULATED.jitter,
      )
      .option(
        "--slow <node:4x[@s-s]>",
        "a node is slower, maybe from and to a second",
        slowNode,
      )
      .option(
        "--slow-link <node/node:4x|off[@s-s]>",
        "a link is slower, or carries nothing",
        slowLink,
      )
      .option("--kill <node@s>", "a machine vanishes after so many seconds", killedNode)
      .option("--layers <n>", "of the made-up model (default: 24)", count)
      .option("--width <n>", "units of a layer (default: 1024)", count)
      .option("--batch <n>", "batch size of the made-up model (default: 64)", count)
      .option("--clusters <k>", "of the made-up plan (default: what suits the nodes)", count)
      .addOption(
        new Option("--objective <what>", "what they are formed for (default: balance)")
          .choices(OBJECTIVES),
      )
      .option("--trace <file>", "write who did what when, for ui.perfetto.dev"),
  read: (command) => {
    const { slow = [], slowLink = [], kill = [], ...flags } = command.opts<Flags>();
    const [plan] = command.args;
    const faults = [...slow, ...slowLink, ...kill];
    return { ...(plan === undefined ? {} : { plan }), ...flags, faults };
  },
  run: async (request, { engine, terminal }) => {
    const report = await engine.simulate(request);
    terminal.event({ event: "simulation", ...report });
    printSimulation(terminal, report);
    if (report.file !== undefined) printFile(terminal, report.file);
    if (report.loss !== undefined) throw lossOf(report.loss);
  },
});

const count = wholeNumber(1);

/** A number of nodes, or a file. */
function pool(text: string): string | number {
  if (!/^[-+]?[\d.]+$/.test(text)) return text;
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= 100_000) return value;
  throw new InvalidArgumentError("Expected 1 to 100000 nodes, or a node file.");
}

/** A number that is not negative. */
function atLeastZero(text: string): number {
  const value = text.trim() === "" ? NaN : Number(text);
  if (Number.isFinite(value) && value >= 0) return value;
  throw new InvalidArgumentError("Expected a number of at least 0.");
}

function printFile(terminal: Terminal, file: string): void {
  terminal.line(`\nwrote ${file}`);
  terminal.hint("open it in https://ui.perfetto.dev (nothing is uploaded) or chrome://tracing");
}

/** As a real run ends: with the one who was lost, and who noticed. */
function lossOf(loss: NonNullable<SimulateReport["loss"]>): RavnError {
  const { node, address, noticed_by, expected, why, at_ms, ended_ms } = loss;
  const seconds = (ms: number) => (ms / 1000).toFixed(2);
  return new RavnError(
    `${noticed_by} lost ${node} at ${address} after ${seconds(at_ms)} s: ${why}; ` +
      `it expected ${expected}; all had ended after ${seconds(ended_ms)} s`,
    { exitCode: EXIT.failure },
  );
}
