import { join } from "node:path";
import { messageOf } from "../error.ts";
import type { StageTask } from "../pipeline/mod.ts";
import type { RunHost } from "./events.ts";
import { headOf, traceTime } from "./trace_events.ts";
import type { TracedMessage, TraceEvent, TraceHead } from "./trace_events.ts";

/** Lines are written out when so much has gathered, or so much time has passed. */
const PENDING_CHARACTERS_MAX = 64 * 1024;
const FLUSH_EVERY_MS = 500;

/** Where a node leaves what it did in a run with `--trace`. */
export function traceFile(folder: string, node: string): string {
  return join(folder, `trace_${node}.jsonl`);
}

/**
 * Writes what one node does into its trace file while it runs: a line for each operation and each
 * message. It keeps no more than 64 KiB in memory, writes whole lines in one go, and so leaves a
 * file that can be read however the process ends.
 */
export class RunTrace implements Disposable {
  readonly #file: Deno.FsFile;
  readonly #path: string;
  readonly #warn: RunHost["emit"];
  readonly #encoder = new TextEncoder();
  readonly #timer: ReturnType<typeof setInterval>;
  #pending: string;
  #failed = false;

  /**
   * Begins the file, in the place of an earlier run's.
   *
   * @param emit told once if nothing more can be written; the run goes on
   */
  constructor(path: string, head: Omit<TraceHead, "trace" | "origin_ms">, emit: RunHost["emit"]) {
    this.#path = path;
    this.#warn = emit;
    this.#file = Deno.openSync(path, { write: true, create: true, truncate: true });
    this.#pending = `${headOf({ ...head, origin_ms: performance.timeOrigin })}\n`;
    this.#flush();
    this.#timer = setInterval(() => this.#flush(), FLUSH_EVERY_MS);
  }

  /** The run's name is known. */
  begun(run: string): void {
    this.#line({ type: "begun", run });
  }

  /** The stage ran something, from `begin` to `end`, in ms of `performance.now()`. */
  ran(work: StageTask, begin: number, end: number): void {
    this.#line({
      type: "work",
      work: work.type,
      of: numberOf(work),
      begin: traceTime(begin),
      end: traceTime(end),
    });
  }

  /** A message was sent, or came, from `begin` to `end`, in ms of `performance.now()`. */
  message(message: TracedMessage): void {
    const [begin, end] = [traceTime(message.begin), traceTime(message.end)];
    this.#line({ ...message, begin, end });
  }

  #line(event: TraceEvent): void {
    if (this.#failed) return;
    this.#pending += `${JSON.stringify(event)}\n`;
    if (this.#pending.length > PENDING_CHARACTERS_MAX) this.#flush();
  }

  #flush(): void {
    let rest: Uint8Array = this.#encoder.encode(this.#pending);
    this.#pending = "";
    try {
      while (rest.length > 0) rest = rest.subarray(this.#file.writeSync(rest));
    } catch (thrown) {
      this.#failed = true;
      const message = `the trace ends here: ${this.#path}: ${messageOf(thrown)}`;
      this.#warn({ event: "warning", message });
    }
  }

  /** Writes what is left and closes the file. */
  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#flush();
    this.#file.close();
  }
}

function numberOf(work: StageTask): number {
  if (work.type === "validate") return work.batch;
  return "update" in work ? work.update : work.microBatch;
}
