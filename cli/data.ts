import { Argument, Option } from "commander";
import { RavnError } from "../core/error.ts";
import type {
  DataConvertRequest,
  DataInfoReport,
  DataInfoRequest,
  DataMakeRequest,
  DataRow,
  DataSampleRequest,
  MadeKind,
} from "../core/run/data_requests.ts";
import type { Terminal } from "./output.ts";
import { byteSize, type Column, grouped, shapeText } from "./table.ts";
import { type Assignment, assignment, wholeNumber } from "./values.ts";
import { type Context, verb } from "./verb.ts";

const ACTIONS = ["info", "convert", "sample", "make"] as const;
const KINDS: readonly MadeKind[] = ["sorter", "pictures", "tiny_imagenet", "cifar10", "text"];

/** One of the things that `data` does, with what it takes. */
export type DataOptions =
  | { readonly action: "info"; readonly request: DataInfoRequest }
  | { readonly action: "convert"; readonly request: DataConvertRequest }
  | { readonly action: "sample"; readonly request: DataSampleRequest }
  | { readonly action: "make"; readonly request: DataMakeRequest };

interface Flags {
  readonly to?: string;
  readonly labels?: string;
  readonly size?: number;
  readonly tokenizer?: string;
  readonly check?: true;
  readonly config?: string;
  readonly set: readonly Assignment[];
  readonly part: "train" | "validation";
  readonly count: number;
  readonly epoch: number;
  readonly out?: string;
  readonly samples: number;
  readonly classes?: number;
  readonly length: number;
  readonly seed: number;
  readonly force?: true;
}

/** `ravn data <action> [what]` */
export const data = verb<DataOptions>({
  examples: [
    ["ravn data info train/", "pictures, classes and sizes of a folder"],
    ["ravn data info table.parquet", "columns, types and ranges of a file"],
    ["ravn data info corpus.txt --tokenizer tokenizer.json", "lines and tokens of a text"],
    ["ravn data convert train/ --to x.npy --labels y.npy --size 64", "pictures as one array"],
    ["ravn data convert table.parquet#x --to x.npy", "a column as an array"],
    ["ravn data sample --out look --count 32", "pictures of ravn.yaml as the model gets them"],
    ["ravn data make sorter --length 6 --classes 3 --out .", "the sorter example's data"],
    ["ravn data make tiny_imagenet --out tiny-imagenet-200", "a small stand-in of that form"],
  ],
  declare: (command) =>
    command
      .addArgument(new Argument("<action>", "what to do").choices([...ACTIONS]))
      .argument("[what]", `file or folder; for make: ${KINDS.join(", ")}`)
      .option("--to <file>", "convert: .npy, .safetensors or .parquet")
      .option("--labels <file>", "convert: where the classes of pictures go")
      .option("--size <n>", "convert: side to scale and crop pictures to", wholeNumber(1))
      .option("--tokenizer <file>", "info: count tokens by this tokenizer.json, or bytes")
      .option("--check", "info: decode every picture")
      .option("--config <file>", "sample: configuration (default: ravn.yaml)")
      .option("--set <key=value...>", "sample: replace a key of the configuration", assignment, [])
      .addOption(
        new Option("--part <name>", "sample: which data").choices(["train", "validation"])
          .default("train"),
      )
      .option("--count <n>", "sample: how many pictures", wholeNumber(1), 16)
      .option("--epoch <n>", "sample: of which epoch, from 0", wholeNumber(), 0)
      .option("--out <folder>", "sample, make: where to write")
      .option("--samples <n>", "make: training samples", wholeNumber(1), 1000)
      .option("--classes <n>", "make: classes (default: sorter 3, pictures 4)", wholeNumber(2))
      .option("--length <n>", "make sorter: numbers of a sequence", wholeNumber(1), 6)
      .option("--seed <n>", "make: what the random numbers come from", wholeNumber(), 42)
      .option("--force", "convert, make: replace files that are already there"),
  read: (command) => {
    const [action, what] = command.processedArgs as [DataOptions["action"], string | undefined];
    return optionsOf(action, what, command.opts<Flags>());
  },
  run: (options, context) => run(options, context),
});

function needed(value: string | undefined, action: string, what: string): string {
  if (value !== undefined) return value;
  throw new RavnError(`data ${action} needs ${what}; see ravn data --help`);
}

function optionsOf(
  action: DataOptions["action"],
  what: string | undefined,
  flags: Flags,
): DataOptions {
  const { labels, size, tokenizer, config, set, part, count, epoch } = flags;
  const force = flags.force ?? false;
  switch (action) {
    case "info": {
      const path = needed(what, action, "a file or folder");
      const check = flags.check ?? false;
      return {
        action,
        request: { path, check, ...(tokenizer === undefined ? {} : { tokenizer }) },
      };
    }
    case "convert":
      return {
        action,
        request: {
          source: needed(what, action, "a file or folder"),
          to: needed(flags.to, action, "--to"),
          ...(labels === undefined ? {} : { labels }),
          ...(size === undefined ? {} : { size }),
          force,
        },
      };
    case "sample": {
      const out = needed(flags.out, action, "--out");
      const request = { set, part, count, epoch, out };
      return { action, request: { ...request, ...(config === undefined ? {} : { config }) } };
    }
    case "make": {
      const kind = KINDS.find((name) => name === what);
      if (kind === undefined) {
        throw new RavnError(`data make ${what ?? ""}: expected one of ${KINDS.join(", ")}`);
      }
      const { samples, length, seed } = flags;
      const classes = flags.classes ?? (kind === "sorter" ? 3 : 4);
      const out = needed(flags.out, action, "--out");
      return { action, request: { kind, out, samples, classes, length, seed, force } };
    }
  }
}

async function run(options: DataOptions, { engine, terminal }: Context): Promise<void> {
  switch (options.action) {
    case "info": {
      const report = await engine.data.info(options.request);
      terminal.event({ event: "data", ...report });
      return printInfo(terminal, report);
    }
    case "convert": {
      const report = await engine.data.convert(options.request);
      terminal.event({ event: "converted", ...report });
      const { samples, dtype, dims, files } = report;
      for (const file of files) terminal.line(`wrote ${file}`);
      return terminal.line(`${grouped(samples)} samples, ${dtype} ${shapeText(dims)}`);
    }
    case "sample": {
      const report = await engine.data.sample(options.request);
      for (const warning of report.warnings) terminal.warn(warning);
      terminal.event({ event: "sampled", ...report });
      return terminal.line(`wrote ${report.files.length} pictures to ${options.request.out}`);
    }
    case "make": {
      const report = await engine.data.make(options.request);
      terminal.event({ event: "made", ...report });
      const { out, files, samples, validationSamples } = report;
      const counts = `${grouped(samples)} samples, ${grouped(validationSamples)} to validate`;
      return terminal.line(`wrote ${grouped(files)} files to ${out}: ${counts}`);
    }
  }
}

/** Classes, and damaged pictures, that are listed one by one. */
const LISTED_MAX = 20;

const ROWS: readonly Column<DataRow>[] = [
  { title: "data", value: (row) => row.name },
  { title: "type", value: (row) => row.dtype },
  { title: "sample", value: (row) => shapeText(row.dims) },
  { title: "samples", value: (row) => row.samples },
  { title: "least", value: (row) => row.low },
  { title: "most", value: (row) => row.high },
];

function printInfo(terminal: Terminal, report: DataInfoReport): void {
  const { rows, classes = [], damaged = [], text } = report;
  if (rows.length > 0) terminal.table(ROWS, rows);
  if (text !== undefined) {
    const { lines, bytes, tokens, vocabulary } = text;
    terminal.line(`${grouped(lines)} lines, ${byteSize(bytes)}`);
    if (tokens !== undefined) {
      terminal.line(`${grouped(tokens)} tokens of a vocabulary of ${grouped(vocabulary ?? 0)}`);
    }
  }
  if (classes.length > 0) {
    const samples = classes.reduce((sum, row) => sum + row.samples, 0);
    terminal.line(`\n${grouped(classes.length)} classes, ${grouped(samples)} pictures`);
    terminal.table<typeof classes[number]>([
      { title: "class", value: (row) => row.name },
      { title: "pictures", value: (row) => row.samples },
    ], classes.slice(0, LISTED_MAX));
    if (classes.length > LISTED_MAX) terminal.hint(`and ${classes.length - LISTED_MAX} more`);
  }
  for (const { problem } of rows) if (problem !== undefined) terminal.warn(problem);
  for (const problem of damaged.slice(0, LISTED_MAX)) terminal.warn(problem);
  if (damaged.length > LISTED_MAX) {
    terminal.warn(`and ${damaged.length - LISTED_MAX} more that cannot be read`);
  }
}
