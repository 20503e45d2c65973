import { EXIT } from "../error.ts";
import { SUPERVISED } from "./supervised.ts";
import { TextLineStream } from "./text_lines.ts";
import { parseEvent } from "./events.ts";
import type { RunHost } from "./events.ts";

/** How a provider ended, where it did not end well. */
export interface ProviderFailure {
  /** What it said last. */
  readonly message: string;
  readonly exitCode: number;
}

/** `ravn provide` as a process of this machine, its events passed on. */
export class ProviderProcess {
  /** Resolves at its end: undefined where all went well. Never rejects. */
  readonly done: Promise<ProviderFailure | undefined>;
  readonly #process: Deno.ChildProcess;
  readonly #name: string;

  constructor(name: string, options: readonly string[], host: RunHost) {
    const [program, ...start] = host.command;
    this.#name = name;
    this.#process = new Deno.Command(program!, {
      args: [...start, "provide", "--name", name, "--json", ...options],
      // It ends with this process, however that ends: see `SUPERVISED`.
      stdin: "piped",
      env: { [SUPERVISED]: "1" },
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.done = this.#watch(host);
  }

  /** Asks it to save and end. */
  stop(): void {
    try {
      this.#process.kill("SIGTERM");
    } catch {
      // It has ended already.
    }
  }

  async #watch(host: RunHost): Promise<ProviderFailure | undefined> {
    const [, said, status] = await Promise.all([
      this.#passEvents(host),
      complaintOf(this.#process.stderr),
      this.#process.status,
    ]);
    await this.#process.stdin.abort().catch(() => {});
    if (status.success) return undefined;
    const how = status.signal === null ? `exit code ${status.code}` : status.signal;
    const message = said.replace(/^ravn: /, "") || `${this.#name} ended with ${how}`;
    return { message, exitCode: status.code === EXIT.usage ? EXIT.usage : EXIT.failure };
  }

  async #passEvents(host: RunHost): Promise<void> {
    for await (const line of linesOf(this.#process.stdout)) {
      const event = parseEvent(line);
      if (event !== undefined) host.emit(event);
    }
  }
}

/** The lines of a process's output. */
export function linesOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): ReadableStream<string> {
  return stream.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
}

/** The last line with which ravn names an error; without one, the last line of all. */
async function complaintOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<string> {
  let complaint: string | undefined;
  let last = "";
  for await (const line of linesOf(stream)) {
    if (line.trim() === "") continue;
    last = line;
    if (/^ravn: (?!warning:|this is a fault in ravn)/.test(line)) complaint = line;
  }
  return complaint ?? last;
}
