import { EXIT, RavnError } from "../core/error.ts";
import type {
  Coverage,
  Inputs,
  VerifyReport,
  VerifyRequest,
  VerifyRow,
} from "../core/run/requests.ts";
import type { Terminal } from "./output.ts";
import type { Column } from "./table.ts";
import { dimensionSizes, inputFiles, positiveNumber, seconds, wholeNumber } from "./values.ts";
import { verb } from "./verb.ts";

type Flags = {
  inputs?: Inputs;
  size?: ReadonlyMap<string, number>;
  batch?: number;
  seed: number;
  tolerance: number;
  seconds: number;
  all?: true;
};

/** `verify` shows the worst rows, or all of them. */
export interface VerifyOptions extends VerifyRequest {
  readonly all: boolean;
}

/** Rows that are shown unless all are asked for. */
const SHOWN = 8;

/** `ravn verify <model.onnx>` */
export const verify = verb<VerifyOptions>({
  examples: [
    ["ravn verify model.onnx", "on made-up inputs: the whole model, operators, parameters"],
    ["ravn verify model.onnx --inputs x.npy", "on samples of a file"],
    ["ravn verify bert.onnx --inputs batch.npz", "on several inputs, by their names in the file"],
    ["ravn verify gpt.onnx --size sequence=64 --all", "with another sequence length; every row"],
    ["ravn verify model.onnx --json", "the same for a program to read"],
  ],
  declare: (command) =>
    command
      .argument("<model.onnx>", "model whose gradients are compared with finite differences")
      .option("--inputs <[input=]file>", "samples; once for each input, or one .npz", inputFiles)
      .option("--size <dimension=n>", "size of a free dimension, if not the batch", dimensionSizes)
      .option(
        "--batch <n>",
        "samples to run at a time; 4, or fewer where the model is large",
        wholeNumber(1),
      )
      .option("--seed <n>", "of made-up inputs and directions", wholeNumber(), 1)
      .option("--tolerance <x>", "relative error that counts as none", positiveNumber, 0.01)
      .option("--seconds <s>", "time for all together", seconds, 60)
      .option("--all", "show every operator and parameter, not only the worst"),
  read: (command) => {
    const { inputs, size, all, ...flags } = command.opts<Flags>();
    return {
      model: command.args[0]!,
      ...flags,
      all: all ?? false,
      ...(inputs === undefined ? {} : { inputs }),
      ...(size === undefined ? {} : { sizes: size }),
    };
  },
  run: async ({ all, ...request }, { engine, terminal }) => {
    const report = await engine.verify(request);
    terminal.event({ event: "verify", ...report });
    print(terminal, report, all);
    if (report.verdict === "incomplete") throw incomplete(report);
    if (report.verdict === "pass") return;
    const wrong = report.rows.filter(({ verdict }) => verdict === "differs");
    throw new RavnError(
      `${report.file}: gradients differ from finite differences in ${wrong.length} places, ` +
        `the worst at ${what(report.worst!)}`,
      { exitCode: EXIT.failure },
    );
  },
});

/** Nothing differs, but of the whole model nothing is known. */
function incomplete({ file, model, secondsForAll }: VerifyReport): RavnError {
  const message = model.checked === 0
    ? `${file}: the time was up before the whole model was looked at; ` +
      `try --seconds ${secondsForAll}`
    : `${file}: no gradient of the whole model could be measured; try --inputs or another --seed`;
  return new RavnError(message, { exitCode: EXIT.incomplete });
}

const ROWS: readonly Column<VerifyRow>[] = [
  { title: "of", value: ({ kind }) => kind },
  { title: "where", value: what },
  { title: "error", value: ({ relative }) => relative?.toExponential(1) },
  { title: "gradient", value: ({ analytic }) => analytic.toPrecision(5) },
  { title: "difference", value: ({ numeric }) => numeric.toPrecision(5) },
  { title: "", value: ({ verdict }) => verdict },
];

function what({ name, op, input }: VerifyRow): string {
  return op === undefined ? name : `${name} (${op}), by ${input}`;
}

function print(terminal: Terminal, report: VerifyReport, all: boolean): void {
  const severity = ({ verdict, relative = 0 }: VerifyRow) =>
    verdict === "differs" ? 1 + relative : verdict === "unclear" ? -1 : Math.min(1, relative);
  const model = report.rows.filter(({ kind }) => kind === "model");
  const others = report.rows.filter(({ kind }) => kind !== "model")
    .toSorted((a, b) => severity(b) - severity(a));
  terminal.table(ROWS, [...model, ...(all ? others : others.slice(0, SHOWN))]);
  terminal.line();
  const { idle } = report;
  terminal.line(
    `${coverage(report)}, with ${report.samples} samples, in ${report.seconds.toFixed(1)} s`,
  );
  const unclear = report.rows.filter(({ verdict }) => verdict === "unclear").length;
  if (unclear > 0) terminal.line(`${unclear} too flat to be measured`);
  if (idle.length > 0) terminal.line(`no output depends on: ${idle.join(", ")}`);
  const { worst } = report;
  if (worst !== undefined) {
    terminal.line(`worst error ${worst.relative?.toExponential(1) ?? "–"} at ${what(worst)}`);
  }
  const color = report.verdict === "pass" ? "green" : "red";
  terminal.line(terminal.style(color, report.verdict.toUpperCase()));
}

/** What was looked at, and how long all would take. */
function coverage({ model, operators, parameters, secondsForAll }: VerifyReport): string {
  const count = ({ checked, of }: Coverage) => checked === of ? `all ${of}` : `${checked} of ${of}`;
  const more = secondsForAll === undefined ? "" : ` (--seconds ${secondsForAll} looks at all)`;
  return `looked at ${count(model)} directions of the whole model, ${count(operators)} kinds of ` +
    `operator and ${count(parameters)} parameters${more}`;
}
