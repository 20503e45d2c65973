import { Command } from "commander";
import type { AnyVerb, Example, VerbEntry } from "./verb.ts";
import { VERSION } from "./version.ts";

/** What a program is made of. Verbs that are not in `loaded` get a name and a summary only. */
export interface ProgramOptions {
  readonly entries: readonly VerbEntry[];
  readonly loaded: ReadonlyMap<string, AnyVerb>;
  /** Text after the help of a loaded verb. */
  readonly notes?: string;
  /** Called with the parsed verb. */
  readonly start: (verb: AnyVerb, command: Command) => Promise<void>;
  readonly write: (text: string) => void;
  /** Width of help, in characters. */
  readonly width: number;
}

/** Options that every verb takes, before or after its name. */
export type GlobalFlags = { verbose?: boolean; json?: boolean; color: boolean };

/** The command line as a commander program; it throws CommanderError instead of leaving. */
export function buildProgram(options: ProgramOptions): Command {
  const program = new Command("ravn")
    .description("Train neural networks across the machines you have: ONNX in, ONNX out.")
    .usage("<verb> [options]")
    .version(VERSION, "--version", "show the version")
    .option("--verbose", "show more, and stack traces of errors")
    .option("--json", "print events as JSON, one object a line, instead of text")
    .option("--no-color", "no colours (as the variable NO_COLOR)")
    .helpOption("-h, --help", "show help; see also 'ravn help config'")
    .helpCommand(false)
    .commandsGroup("Verbs:")
    .exitOverride()
    .configureHelp({ showGlobalOptions: true, subcommandTerm: (command) => command.name() })
    .configureOutput({
      writeOut: options.write,
      writeErr: () => {},
      getOutHelpWidth: () => options.width,
      getErrHelpWidth: () => options.width,
    });
  for (const entry of options.entries) addVerb(program, entry, options);
  program.addHelpText("after", examplesText(FIRST_STEPS));
  return program;
}

const FIRST_STEPS: readonly Example[] = [
  ["ravn init digits && cd digits", "a folder with an example to train"],
  ["ravn clusterize model.onnx", "cut the model over the nodes"],
  ["ravn train", "train all stages on this machine"],
  ["ravn train --help", "the options of a verb, and examples"],
];

function addVerb(program: Command, entry: VerbEntry, options: ProgramOptions): void {
  const command = program.command(entry.name).description(entry.summary);
  const verb = options.loaded.get(entry.name);
  if (verb === undefined) return;
  verb.declare(command);
  command.addHelpText("after", examplesText(verb.examples) + (options.notes ?? ""));
  command.action(() => options.start(verb, command));
}

function examplesText(examples: readonly Example[]): string {
  const width = Math.max(...examples.map(([command]) => command.length));
  const lines = examples.map(([command, does]) => `  ${command.padEnd(width)}  ${does}`);
  return `\nExamples:\n${lines.join("\n")}\n`;
}
