import { type Command, CommanderError } from "commander";
import { EXIT, messageOf, RavnError } from "../core/error.ts";
import { configHelp } from "./config_help.ts";
import type { Engine } from "./engine.ts";
import { Interrupt, type SignalSource } from "./interrupt.ts";
import { type Stream, Terminal } from "./output.ts";
import { buildProgram, type GlobalFlags } from "./program.ts";
import { Progress } from "./progress.ts";
import type { AnyVerb, Environment, VerbEntry } from "./verb.ts";

const GLOBAL_FLAGS = ["--verbose", "--json", "--no-color"];

/** The world a command line runs in: the process, or a test's stand-in. */
export interface Shell {
  readonly out: Stream;
  readonly err: Stream;
  readonly environment: Environment;
  /** A clock in milliseconds. */
  readonly now: () => number;
  readonly signals: SignalSource;
  readonly engine: Engine;
  /** Program and arguments that start this command line again. */
  readonly command: readonly string[];
}

/** Runs one command line and returns its exit code; never throws. */
export async function runCommandLine(
  words: readonly string[],
  entries: readonly VerbEntry[],
  shell: Shell,
): Promise<number> {
  let terminal = terminalOf(shell, { color: !words.includes("--no-color") });
  try {
    const [argv, name] = await withoutHelpVerb(words, entries, shell, terminal);
    if (argv === undefined) return EXIT.ok;
    if (name === "complete") return await complete(argv, entries);
    const verb = await entries.find((entry) => entry.name === name)?.load();
    let code: number = EXIT.ok;
    const width = Math.min(terminal.width, 100);
    const program = buildProgram({
      entries,
      loaded: new Map(verb && name ? [[name, verb]] : []),
      notes: asksHelp(argv) ? await verb?.notes?.(shell.engine, width) ?? "" : "",
      start: async (verb, command) => {
        terminal = terminalOf(shell, command.optsWithGlobals<GlobalFlags>());
        code = await startVerb(verb, command, shell, terminal);
      },
      write: (text) => shell.out.write(text),
      width,
    });
    await program.parseAsync(argv, { from: "user" });
    return code;
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) return terminal.failure(thrown);
    return thrown.exitCode === 0 ? EXIT.ok : terminal.failure(usageError(thrown, words));
  }
}

async function startVerb(
  verb: AnyVerb,
  command: Command,
  shell: Shell,
  terminal: Terminal,
): Promise<number> {
  using interrupt = new Interrupt(shell.signals, (message) => terminal.warn(message));
  const progress = new Progress(terminal, shell.now);
  const host = {
    emit: progress.accept.bind(progress),
    signal: interrupt.signal,
    command: shell.command,
  };
  try {
    await verb.start(command, shell.environment, { terminal, engine: shell.engine, host });
  } catch (thrown) {
    if (!interrupt.signal.aborted) throw thrown;
    if (!isAbort(thrown)) terminal.warn(messageOf(thrown));
  }
  terminal.flush();
  terminal.clearLive();
  return interrupt.signal.aborted ? EXIT.interrupted : EXIT.ok;
}

/** True for what says no more than that the run was told to stop. */
function isAbort(thrown: unknown): boolean {
  if (thrown instanceof RavnError) return thrown.exitCode === EXIT.interrupted;
  return thrown instanceof DOMException && thrown.name === "AbortError";
}

function terminalOf(shell: Shell, flags: GlobalFlags): Terminal {
  const plain = !flags.color || Boolean(shell.environment("NO_COLOR"));
  return new Terminal(shell.out, shell.err, {
    json: flags.json ?? false,
    verbose: flags.verbose ?? false,
    color: !plain && shell.out.isTerminal,
  });
}

/**
 * The command line with `ravn help train` written as `ravn train --help`, and nothing at all as
 * `--help`; and the verb it names. `ravn help config` is answered here, which leaves no command
 * line.
 */
async function withoutHelpVerb(
  words: readonly string[],
  entries: readonly VerbEntry[],
  shell: Shell,
  terminal: Terminal,
): Promise<[argv: string[] | undefined, name: string | undefined]> {
  const names = words.filter((word) => !word.startsWith("-"));
  const [first, topic] = names;
  if (first === undefined) {
    const bare = words.every((word) => GLOBAL_FLAGS.includes(word));
    return [bare ? ["--help"] : [...words], undefined];
  }
  if (first !== "help") return [[...words], first];
  if (topic === "config") {
    const keys = await shell.engine.configKeys();
    terminal.line(configHelp(keys, Math.min(terminal.width, 100)).trimEnd());
    return [undefined, undefined];
  }
  if (topic === undefined) return [["--help"], undefined];
  const known = entries.some((entry) => entry.name === topic);
  return [known ? [topic, "--help"] : [topic], topic];
}

function asksHelp(argv: readonly string[]): boolean {
  return argv.includes("--help") || argv.includes("-h");
}

/** Answers the shell's request for completions; see `completer.ts`. */
async function complete(argv: readonly string[], entries: readonly VerbEntry[]): Promise<number> {
  const { answer } = await import("./completer.ts");
  await answer(entries, argv.slice(argv.indexOf("--") + 1));
  return EXIT.ok;
}

/** Commander's message on one line, with its suggestion or where to look. */
function usageError(error: CommanderError, words: readonly string[]): RavnError {
  const verb = words.find((word) => !word.startsWith("-"));
  const unknownVerb = error.code === "commander.unknownCommand";
  const help = verb === undefined || unknownVerb ? "ravn --help" : `ravn ${verb} --help`;
  const [what, suggestion] = inOurWords(error.message).split("\n(Did you mean ");
  return new RavnError(
    suggestion === undefined
      ? `${what}; see '${help}'`
      : `${what}; did you mean ${suggestion.replace(/\?\)$/, "")}?`,
  );
}

function inOurWords(message: string): string {
  return message
    .replace(/^error: (command-argument value )?/, "")
    .replace(/^unknown command/, "unknown verb")
    .replace(/\. (Expected|Allowed)/, (_, next: string) => `: ${next.toLowerCase()}`)
    .replace(/\.$/, "");
}
