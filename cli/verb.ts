import type { Command } from "commander";
import type { RunHost } from "../core/run/events.ts";
import type { Engine } from "./engine.ts";
import type { Terminal } from "./output.ts";

/** A command line to copy, and what it does. */
export type Example = readonly [command: string, does: string];

/** Looks up an environment variable. */
export type Environment = (name: string) => string | undefined;

/** What a verb works with; everything that touches the world comes in here. */
export interface Context {
  readonly terminal: Terminal;
  readonly engine: Engine;
  /** Shows events as they come, and tells when to stop. */
  readonly host: RunHost;
}

/** A verb of the command line over its options, which are one typed value. */
export interface VerbDefinition<Options> {
  readonly examples: readonly Example[];
  /** Adds arguments and options. */
  readonly declare: (command: Command) => void;
  /** The options of a parsed command line. */
  readonly read: (command: Command, environment: Environment) => Options;
  readonly run: (options: Options, context: Context) => Promise<void>;
  /** More for the end of `--help`; called only when help is shown. */
  readonly notes?: (engine: Engine, width: number) => Promise<string>;
}

/** A verb whose options nobody outside needs to know. */
export interface AnyVerb {
  readonly examples: readonly Example[];
  readonly declare: (command: Command) => void;
  readonly notes?: (engine: Engine, width: number) => Promise<string>;
  /** Reads the options of the parsed `command` and runs the verb. */
  readonly start: (command: Command, environment: Environment, context: Context) => Promise<void>;
}

/** A line of `main.ts`: a verb by name, loaded when it is called. */
export interface VerbEntry {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<AnyVerb>;
}

/** Ties a verb's `read` and `run` together. */
export function verb<Options>(
  definition: VerbDefinition<Options>,
): VerbDefinition<Options> & AnyVerb {
  return {
    ...definition,
    start: (command, environment, context) =>
      definition.run(definition.read(command, environment), context),
  };
}
