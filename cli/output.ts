import { EXIT, messageOf, RavnError } from "../core/error.ts";
import { type Column, layout } from "./table.ts";

/** A place to write text to: standard output, standard error, or a test's memory. */
export interface Stream {
  write(text: string): void;
  /** True where a person may be watching. */
  readonly isTerminal: boolean;
  /** Width in characters at this moment, or undefined where there is none. */
  columns(): number | undefined;
}

/** How a terminal behaves; all of it comes from the command line and the environment. */
export interface TerminalOptions {
  /** Write events as JSON and nothing else. */
  readonly json?: boolean;
  readonly color?: boolean;
  /** Show stack traces and the messages of `debug`. */
  readonly verbose?: boolean;
}

const STYLES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33 } as const;

/** Events that need not be told at once are told together, so often. */
const TOGETHER_MS = 100;
const TOGETHER_CHARACTERS_MAX = 64 * 1024;

/** Moves to the start of the line and clears it. */
const CLEAR_LINE = "\r\x1b[K";

/**
 * Everything a verb prints goes through here: lines and tables for people, or, with `json`, one
 * JSON object a line and nothing else on standard output. Errors and warnings go to `err`.
 */
export class Terminal {
  readonly json: boolean;
  readonly verbose: boolean;
  readonly #color: boolean;
  #live = false;
  /** Lines of events that wait to be written together. */
  #waiting = "";
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly out: Stream, readonly err: Stream, options: TerminalOptions = {}) {
    this.json = options.json ?? false;
    this.verbose = options.verbose ?? false;
    this.#color = options.color ?? false;
  }

  /** True where a line may be redrawn in place. */
  get interactive(): boolean {
    return this.out.isTerminal && !this.json;
  }

  /** Width to lay lines out for, in characters. */
  get width(): number {
    return this.out.columns() ?? 80;
  }

  /** A line for people; nothing with `json`. */
  line(text = ""): void {
    if (this.json) return;
    this.clearLive();
    this.out.write(`${text}\n`);
  }

  /** A table for people: numbers on the right, text on the left; nothing with `json`. */
  table<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): void {
    const [head, ...body] = layout(columns, rows);
    if (head !== undefined) this.line(this.style("bold", head));
    for (const text of body) this.line(text);
  }

  /** One JSON object on a line of its own; nothing without `json`. */
  event(event: object): void {
    this.eventSoon(event);
    this.flush();
  }

  /**
   * Like {@link event}, at the latest after 100 ms: where there are hundreds a second, each write
   * would wake who reads them, and take a core from those who compute.
   */
  eventSoon(event: object): void {
    if (!this.json) return;
    this.#waiting += `${JSON.stringify(event)}\n`;
    if (this.#waiting.length > TOGETHER_CHARACTERS_MAX) return this.flush();
    this.#timer ??= setTimeout(() => this.flush(), TOGETHER_MS);
  }

  /** Writes the events that wait. Call this before the program ends. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const text = this.#waiting;
    this.#waiting = "";
    if (text !== "") this.out.write(text);
  }

  /** A line that the next one replaces; only where {@link interactive}. */
  live(text: string): void {
    if (!this.interactive) return;
    this.out.write(CLEAR_LINE + text);
    this.#live = true;
  }

  /** Removes the live line. */
  clearLive(): void {
    if (this.#live) this.out.write(CLEAR_LINE);
    this.#live = false;
  }

  /** What to do next, for people. */
  hint(text: string): void {
    this.line(this.style("dim", text));
  }

  /** A line on standard error that does not end the program. */
  warn(message: string): void {
    this.clearLive();
    this.err.write(`ravn: ${this.style("yellow", "warning:")} ${message}\n`);
  }

  /** A line on standard error, shown with `--verbose` only. */
  debug(message: string): void {
    if (this.verbose) this.err.write(`ravn: ${message}\n`);
  }

  /**
   * The one line for whatever ended the program, on standard error, and its exit code. A stack is
   * shown with `--verbose`; without it, anything but a RavnError says how to get one.
   */
  failure(thrown: unknown): number {
    this.flush();
    this.clearLive();
    this.err.write(`ravn: ${oneLine(messageOf(thrown))}\n`);
    if (this.verbose && thrown instanceof Error && thrown.stack) {
      this.err.write(`${thrown.stack}\n`);
    }
    if (thrown instanceof RavnError) return thrown.exitCode;
    if (!this.verbose) this.err.write("ravn: this is a fault in ravn; --verbose shows where\n");
    return EXIT.failure;
  }

  /** `text` in a style, where the terminal has colours. */
  style(style: keyof typeof STYLES, text: string): string {
    return this.#color ? `\x1b[${STYLES[style]}m${text}\x1b[0m` : text;
  }
}

function oneLine(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, "; ");
}
