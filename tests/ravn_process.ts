import { fileURLToPath } from "node:url";
import { TextLineStream } from "../core/run/text_lines.ts";

const MAIN = fileURLToPath(new URL("../cli/main.ts", import.meta.url));

/** Program and arguments that start the command line from its sources. */
export const RAVN: readonly string[] = [Deno.execPath(), "run", "-A", "--quiet", MAIN];

/** How long a command may take, on a machine that is busy with other things. */
const DEADLINE_S = 120;
/** How long a process that is told to stop may take, before it is killed. */
const GRACE_MS = 5_000;

/** How a command ended. */
export interface Ending {
  /** Exit code, or 128 + the signal's number. */
  readonly code: number;
  readonly out: string;
  readonly err: string;
  /** When its first line on standard error came, on the clock of `performance.now()`. */
  readonly complained_ms: number | undefined;
  /** When it ended, on the same clock. */
  readonly ended_ms: number;
}

/** Options of {@linkcode RavnProcess}. */
export interface ProcessOptions {
  readonly folder: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly deadline_s?: number;
}

interface Watcher {
  readonly accepts: (line: string) => boolean;
  readonly found: (line: string) => void;
  readonly gone: (error: Error) => void;
}

/** A command line of ravn as a process of its own, whose output is kept as it comes. */
export class RavnProcess {
  /** How it ended; never rejects. */
  readonly ended: Promise<Ending>;
  readonly #words: readonly string[];
  readonly #process: Deno.ChildProcess;
  readonly #watchers = new Set<Watcher>();
  readonly #lines: string[] = [];
  #out = "";
  #err = "";
  #complained_ms: number | undefined;
  #isOver = false;

  constructor(words: readonly string[], { folder, environment, deadline_s }: ProcessOptions) {
    this.#words = words;
    this.#process = new Deno.Command(RAVN[0]!, {
      args: [...RAVN.slice(1), ...words],
      cwd: folder,
      env: { NO_COLOR: "1", RAVN_TOKEN: "", ...environment },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.ended = this.#watch((deadline_s ?? DEADLINE_S) * 1000);
  }

  /** Sends it a signal; nothing where it has ended. */
  kill(signal: Deno.Signal): void {
    try {
      this.#process.kill(signal);
    } catch {
      // It has ended already.
    }
  }

  /** The first line on either stream, already printed or still to come, that a test accepts. */
  line(accepts: (line: string) => boolean): Promise<string> {
    const known = this.#lines.find(accepts);
    if (known !== undefined) return Promise.resolve(known);
    if (this.#isOver) return Promise.reject(this.#missed());
    return new Promise((found, gone) => this.#watchers.add({ accepts, found, gone }));
  }

  /** Resolves when it has told of update `number`. It must run with `--json`, and be the leaf. */
  async update(number: number): Promise<void> {
    await this.line((line) => {
      if (!line.startsWith('{"event":"update"')) return false;
      return (JSON.parse(line) as { update: number }).update >= number;
    });
  }

  /** Ends it whatever it does, gently at first so that it can end its own processes. */
  async stop(): Promise<void> {
    if (this.#isOver) return;
    this.kill("SIGCONT");
    this.kill("SIGTERM");
    const kill = setTimeout(() => this.kill("SIGKILL"), GRACE_MS);
    await this.ended;
    clearTimeout(kill);
  }

  async #watch(deadline_ms: number): Promise<Ending> {
    const late = setTimeout(() => {
      this.#err += `(stopped by the test after ${deadline_ms / 1000} s)\n`;
      this.stop();
    }, deadline_ms);
    const [status] = await Promise.all([
      this.#process.status,
      this.#keep(this.#process.stdout, (line) => this.#out += `${line}\n`),
      this.#keep(this.#process.stderr, (line) => {
        this.#complained_ms ??= performance.now();
        this.#err += `${line}\n`;
      }),
    ]);
    clearTimeout(late);
    this.#isOver = true;
    for (const { gone } of this.#watchers) gone(this.#missed());
    return {
      code: status.code,
      out: this.#out,
      err: this.#err,
      complained_ms: this.#complained_ms,
      ended_ms: performance.now(),
    };
  }

  async #keep(stream: ReadableStream<Uint8Array<ArrayBuffer>>, keep: (line: string) => void) {
    const lines = stream.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
    for await (const line of lines) {
      keep(line);
      this.#lines.push(line);
      for (const watcher of this.#watchers) {
        if (!watcher.accepts(line)) continue;
        this.#watchers.delete(watcher);
        watcher.found(line);
      }
    }
  }

  #missed(): Error {
    return new Error(`ravn ${this.#words.join(" ")} ended without it\n${this.#out}${this.#err}`);
  }
}
