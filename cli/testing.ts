import type { Check, ClusterizeReport } from "../core/run/requests.ts";
import type { Engine } from "./engine.ts";
import type { SignalSource, StopSignal } from "./interrupt.ts";
import type { Stream } from "./output.ts";
import { buildProgram } from "./program.ts";
import type { Shell } from "./shell.ts";
import type { AnyVerb, Environment, VerbDefinition } from "./verb.ts";

/** A stream that keeps what was written, for tests. */
export class MemoryStream implements Stream {
  text = "";

  constructor(readonly isTerminal = false, readonly width: number | undefined = undefined) {}

  write(text: string): void {
    this.text += text;
  }

  columns(): number | undefined {
    return this.width;
  }
}

/** Signals that a test raises. */
export class FakeSignals implements SignalSource {
  readonly exits: number[] = [];
  readonly #handlers = new Map<StopSignal, Set<() => void>>();

  add(signal: StopSignal, handler: () => void): void {
    this.#handlers.set(signal, (this.#handlers.get(signal) ?? new Set()).add(handler));
  }

  remove(signal: StopSignal, handler: () => void): void {
    this.#handlers.get(signal)?.delete(handler);
  }

  exit(code: number): void {
    this.exits.push(code);
  }

  /** As if the user had pressed Ctrl-C, or a supervisor had asked the process to end. */
  raise(signal: StopSignal): void {
    for (const handler of this.#handlers.get(signal) ?? []) handler();
  }

  /** Number of handlers that are in place. */
  get listening(): number {
    return [...this.#handlers.values()].reduce((sum, handlers) => sum + handlers.size, 0);
  }
}

/** An engine whose verbs fail but for those in `parts`. */
export function fakeEngine(parts: Partial<Engine> = {}): Engine {
  const absent = () => Promise.reject(new Error("not in this test"));
  return {
    init: absent,
    clusterize: absent,
    plan: absent,
    probe: absent,
    provide: absent,
    train: absent,
    fuse: absent,
    trace: absent,
    simulate: absent,
    data: { info: absent, convert: absent, sample: absent, make: absent },
    evaluate: absent,
    predict: absent,
    inspect: absent,
    operators: absent,
    verify: absent,
    doctor: () => checks([]),
    configKeys: () => Promise.resolve([{ key: "epochs", default: "100", meaning: "times" }]),
    ...parts,
  };
}

/** A stream of checks, as from `doctor`. */
export async function* checks(all: readonly Check[]): AsyncGenerator<Check> {
  yield* all;
}

/** What `clusterize` reports of a plan. */
export const PLAN: ClusterizeReport = {
  log: "Node(0, Cluster(0)) \nself.IP(0.0.0.0:8080) ",
  table: "stage  node",
  plan: { format: 1 },
  nodes: ["node_0", "node_1"],
  files: ["node_data/plan.json"],
};

/** A shell in memory. */
export function fakeShell(options: { engine?: Engine; environment?: Environment } = {}): Shell & {
  readonly out: MemoryStream;
  readonly err: MemoryStream;
  readonly signals: FakeSignals;
} {
  return {
    out: new MemoryStream(),
    err: new MemoryStream(),
    environment: options.environment ?? (() => undefined),
    now: () => 0,
    signals: new FakeSignals(),
    engine: options.engine ?? fakeEngine(),
    command: ["ravn"],
  };
}

/** The options that `verb` reads from `words`; throws as commander or the verb does. */
export function optionsOf<Options>(
  verb: VerbDefinition<Options> & AnyVerb,
  words: readonly string[],
  environment: Environment = () => undefined,
): Options {
  const read: Options[] = [];
  const program = buildProgram({
    entries: [{ name: "verb", summary: "", load: () => Promise.resolve(verb) }],
    loaded: new Map([["verb", verb]]),
    start: (_, command) => {
      read.push(verb.read(command, environment));
      return Promise.resolve();
    },
    write: () => {},
    width: 80,
  });
  program.parse(["verb", ...words], { from: "user" });
  return read[0]!;
}
