import type { z } from "zod";
import { messageOf, RavnError } from "../error.ts";
import { eventLine, headLine } from "./trace_events.ts";
import type { NodeTrace, TracedMessage, TracedWork, TraceHead } from "./trace_events.ts";

/** A line of a trace is far shorter; what is longer is no trace. */
const LINE_CHARACTERS_MAX = 1 << 16;

/**
 * Reads a trace file as it comes. Of its text no more is kept than one piece and the line that it
 * ends in, so that a file may be larger than memory would hold as text; names that come again and
 * again are kept once. A last line without its end was being written when the node was killed, and
 * is left out.
 *
 * @param pieces the file's bytes in UTF-8, cut anywhere; none is looked at after the next is asked
 * for
 * @throws {RavnError} naming file and line where it is no trace file
 */
export async function readTrace(
  pieces: AsyncIterable<Uint8Array>,
  file: string,
): Promise<NodeTrace> {
  const trace = new GrowingTrace(file);
  const decoder = new TextDecoder();
  let rest = "";
  for await (const piece of pieces) {
    const lines = (rest + decoder.decode(piece, { stream: true })).split("\n");
    rest = lines.pop()!;
    for (const line of lines) trace.add(line);
    if (rest.length > LINE_CHARACTERS_MAX) trace.refuse(`longer than ${LINE_CHARACTERS_MAX}`);
  }
  return trace.ended();
}

/** A trace of which some lines have been read. */
class GrowingTrace {
  readonly #file: string;
  readonly #works: TracedWork[] = [];
  readonly #messages: TracedMessage[] = [];
  readonly #names = new Map<string, string>();
  #lines = 0;
  #head: TraceHead | undefined;
  #run: string | undefined;

  constructor(file: string) {
    this.#file = file;
  }

  add(line: string): void {
    if (this.#head === undefined) {
      this.#head = this.#parse(line, headLine);
    } else {
      const event = this.#parse(line, eventLine);
      if (event.type === "begun") {
        this.#run = event.run;
      } else if (event.type === "work") {
        const { type, work, of, begin, end } = event;
        this.#works.push({ type, work: this.#once(work), of, begin, end });
      } else {
        const { type, of, bytes, begin, end } = event;
        const [kind, peer] = [this.#once(event.kind), this.#once(event.peer)];
        this.#messages.push({ type, kind, peer, of, bytes, begin, end });
      }
    }
    this.#lines++;
  }

  ended(): NodeTrace {
    const head = this.#head ?? this.refuse("the file has no whole line");
    const run = this.#run === undefined ? {} : { run: this.#run };
    return { file: this.#file, head, ...run, works: this.#works, messages: this.#messages };
  }

  /** Says that the next line is no line of a trace. */
  refuse(why: string): never {
    throw new RavnError(
      `${this.#file}:${this.#lines + 1}: is no line of a trace (${why}); expected what ` +
        `ravn train --trace writes: make it anew`,
    );
  }

  #parse<T>(line: string, schema: z.ZodType<T>): T {
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch (thrown) {
      this.refuse(messageOf(thrown));
    }
    const result = schema.safeParse(value);
    if (result.success) return result.data;
    const issue = result.error.issues[0]!;
    this.refuse(`${issue.path.join(".") || "the line"}: ${issue.message}`);
  }

  /** The same text, in the memory in which it was kept first. */
  #once(name: string): string {
    const known = this.#names.get(name);
    if (known !== undefined) return known;
    this.#names.set(name, name);
    return name;
  }
}
