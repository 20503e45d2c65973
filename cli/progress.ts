import type { AveragingSums, RunEvent } from "../core/run/events.ts";
import type { Terminal } from "./output.ts";
import { byteSize, duration, grouped } from "./table.ts";
import { showTraffic } from "./traffic.ts";

/** Time between two drawings of the bar. */
const REDRAW_MS = 100;
/** Time between two lines where there is no terminal to draw on. */
const LINE_MS = 5_000;
/** Validations that follow each other faster are not all worth a line. */
const VALIDATION_LINE_MS = 1_000;
/** A peer that is waited for is named again after this many attempts. */
const ATTEMPTS_PER_LINE = 10;

type Begin = Extract<RunEvent, { event: "begin" }>;
type Update = Extract<RunEvent, { event: "update" }>;
type Average = Extract<RunEvent, { event: "average" }>;
type Traffic = Extract<RunEvent, { event: "traffic" }>;
type Validation = Extract<RunEvent, { event: "validation" }>;

/**
 * Shows the events of a run: a bar on a terminal, a line now and then in a log, every event as
 * JSON with `--json`. `now` is a clock in milliseconds.
 */
export class Progress {
  readonly #terminal: Terminal;
  readonly #now: () => number;
  #begin: Begin | undefined;
  #begunAt_ms = 0;
  #firstUpdate = 0;
  #last: Update | undefined;
  #validation: Validation | undefined;
  /** What all nodes that were heard of have sent to average. */
  readonly #averages = { nodes: new Set<string>(), bytes_sent: 0, bytes_raw: 0 };
  #shownAt_ms = -Infinity;
  #validatedAt_ms = -Infinity;

  constructor(terminal: Terminal, now: () => number) {
    this.#terminal = terminal;
    this.#now = now;
  }

  /** Takes the next event of the run. */
  accept(event: RunEvent): void {
    if (this.#terminal.json) {
      return event.event === "update"
        ? this.#terminal.eventSoon(event)
        : this.#terminal.event(event);
    }
    switch (event.event) {
      case "begin":
        return this.#onBegin(event);
      case "update":
        return this.#onUpdate(event);
      case "validation":
        return this.#onValidation(event);
      case "average":
        return this.#onAverage(event);
      case "traffic":
        return showTraffic(event.links, this.#terminal);
      case "warning":
        return this.#terminal.warn(event.message);
      case "waiting":
        if (event.attempt % ATTEMPTS_PER_LINE !== 1) return;
        return this.#terminal.line(textOf(event));
      default:
        if (event.event === "end") this.#drawLast();
        this.#terminal.line(textOf(event));
        if (event.event === "end" && event.averaging) {
          this.#terminal.line(averagesText(event.averaging, this.#averages));
        }
    }
  }

  /** Each node tells of its own averages; they are summed up to be told at the end. */
  #onAverage({ node, bytes_sent, bytes_raw }: Average): void {
    this.#averages.nodes.add(node);
    this.#averages.bytes_sent += bytes_sent;
    this.#averages.bytes_raw += bytes_raw;
  }

  #onBegin(event: Begin): void {
    this.#begin = event;
    this.#begunAt_ms = this.#now();
    this.#terminal.line(textOf(event));
  }

  #onUpdate(event: Update): void {
    if (this.#last === undefined) this.#firstUpdate = event.update;
    this.#last = event;
    if (this.#terminal.interactive) return this.#draw(false);
    if (this.#now() - this.#shownAt_ms < LINE_MS) return;
    this.#shownAt_ms = this.#now();
    this.#terminal.line(`${this.#position(event)}  ${this.#numbers()}`);
  }

  #onValidation(event: Validation): void {
    this.#validation = event;
    if (this.#terminal.interactive) return this.#draw(true);
    const now_ms = this.#now();
    const isLast = event.update === this.#begin?.updates;
    if (!isLast && now_ms - this.#validatedAt_ms < VALIDATION_LINE_MS) return;
    this.#validatedAt_ms = now_ms;
    this.#terminal.line(`${this.#position(event)}  ${scores(event)}`);
  }

  #draw(atOnce: boolean): void {
    if (!atOnce && this.#now() - this.#shownAt_ms < REDRAW_MS) return;
    this.#shownAt_ms = this.#now();
    this.#terminal.live(this.#bar());
  }

  /** Leaves the finished bar standing above the lines that follow. */
  #drawLast(): void {
    if (this.#terminal.interactive && this.#last) this.#terminal.line(this.#bar());
  }

  #bar(): string {
    const [left, right] = [this.#position(this.#last ?? this.#validation), this.#numbers()];
    const room = this.#terminal.width - left.length - right.length - 5;
    const bar = room >= 10 ? ` ${barOf(this.#fraction(), Math.min(room, 40))} ` : " ";
    return `${left}${bar}${right}`.slice(0, this.#terminal.width - 1);
  }

  #position(at: { readonly epoch: number; readonly update: number } | undefined): string {
    const [epochs, updates] = [this.#begin?.epochs ?? "?", this.#begin?.updates ?? "?"];
    return `epoch ${at?.epoch ?? 0}/${epochs}  step ${at?.update ?? 0}/${updates}`;
  }

  #numbers(): string {
    const parts: string[] = [];
    if (this.#last) parts.push(`loss ${this.#last.loss.toFixed(4)}`);
    const accuracy = this.#validation?.accuracy;
    if (accuracy !== undefined) parts.push(`accuracy ${accuracy.toFixed(1)} %`);
    if (this.#last) parts.push(`${grouped(this.#last.samples_per_s)} samples/s`);
    const left_s = this.#left_s();
    if (left_s !== undefined) parts.push(`ETA ${duration(left_s)}`);
    return parts.join("  ");
  }

  #fraction(): number {
    return (this.#last?.update ?? 0) / Math.max(1, this.#begin?.updates ?? 1);
  }

  /** Time left at the mean pace since training began. */
  #left_s(): number | undefined {
    if (!this.#begin || !this.#last) return undefined;
    const done = this.#last.update - this.#firstUpdate + 1;
    const elapsed_s = (this.#now() - this.#begunAt_ms) / 1000;
    return elapsed_s / done * (this.#begin.updates - this.#last.update);
  }
}

/** A bar of `width` characters, filled to `fraction`. */
function barOf(fraction: number, width: number): string {
  const filled = Math.round(Math.min(1, Math.max(0, fraction)) * width);
  return "█".repeat(filled) + "░".repeat(width - filled);
}

function scores(event: Validation): string {
  const accuracy = event.accuracy === undefined ? "" : `accuracy ${event.accuracy.toFixed(2)} %  `;
  return `validation: ${accuracy}loss ${event.loss.toFixed(4)}  (${
    grouped(event.samples)
  } samples)`;
}

/** What the averages of a leaf took, and what all nodes sent for them so far. */
function averagesText(
  { averages, ms, waited_ms }: AveragingSums,
  { nodes, bytes_sent, bytes_raw }: {
    readonly nodes: ReadonlySet<string>;
    readonly bytes_sent: number;
    readonly bytes_raw: number;
  },
): string {
  const saved = bytes_sent === bytes_raw ? "" : ` in place of ${byteSize(bytes_raw)}`;
  const of = nodes.size === 1 ? "this node" : `${nodes.size} nodes`;
  const often = averages === 1 ? "once" : `${grouped(averages)} times`;
  return `averaged ${often}, ${(ms / averages).toFixed(1)} ms each, of which ` +
    `${(waited_ms / averages).toFixed(1)} ms waiting; ${of} sent ${byteSize(bytes_sent)}${saved}`;
}

function textOf(event: Exclude<RunEvent, Update | Validation | Average | Traffic>): string {
  switch (event.event) {
    case "waiting":
      return `${event.node}: waiting for ${event.peer} at ${event.address} ` +
        `(attempt ${event.attempt})`;
    case "ready":
      return `${event.node}: ready, stage ${event.stage + 1} of ${event.stages}, ` +
        `${event.threads} thread${event.threads === 1 ? "" : "s"} on ${event.device}`;
    case "begin":
      return `training: ${grouped(event.epochs)} epochs of ${grouped(event.samples)} samples, ` +
        `batch size ${grouped(event.batch_size)}, ${grouped(event.updates)} updates`;
    case "saved":
      return `${event.node}: saved ${event.file}`;
    case "lost":
      return `${event.node}: lost ${event.peer} at ${event.address}; expected ${event.expected}`;
    case "end":
      return `done: ${grouped(event.updates)} updates in ${duration(event.wall_s)} ` +
        `(${event.steps_per_s.toFixed(1)} steps/s)`;
    case "warning":
    case "log":
      return event.message;
  }
}
