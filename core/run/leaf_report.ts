import type { Calendar, EvaluationStep, Place } from "../pipeline/mod.ts";
import { countCorrect } from "../training/mod.ts";
import type { StageEngine, StageManifest } from "../training/mod.ts";
import type { AverageReport } from "./averaging.ts";
import type { AveragingSums, RunEvent } from "./events.ts";
import type { MetricsFiles } from "./metrics_files.ts";
import { RecentRate } from "./recent_rate.ts";
import type { StageObserver } from "./stage_observer.ts";

/** The throughput shown is that of the last so many milliseconds. */
const RATE_WINDOW_MS = 2000;

type Head = NonNullable<StageManifest["head"]>;

/** What a `LeafReport` tells the world through. */
export interface LeafReportOptions {
  /** Name of the node. */
  readonly node: string;
  readonly head: Head;
  readonly executor: Pick<StageEngine, "validationInput" | "validationOutput">;
  readonly files: Pick<MetricsFiles, "line">;
  readonly emit: (event: RunEvent) => void;
  /** Milliseconds of a steady clock. */
  readonly now_ms: () => number;
}

/** What the last stage learns: losses, throughput, validation; as events and files of numbers. */
export class LeafReport implements StageObserver {
  readonly #o: LeafReportOptions;
  #calendar: Calendar | undefined;
  #start_ms = 0;
  #loss = 0;
  #samples = 0;
  #epoch = 0;
  readonly #recent = new RecentRate(RATE_WINDOW_MS);
  #correct = 0;
  #rows = 0;
  #validationLoss = 0;
  #averaging: AveragingSums | undefined;

  constructor(options: LeafReportOptions) {
    this.#o = options;
  }

  begun(calendar: Calendar): void {
    this.#calendar = calendar;
    this.#start_ms = this.#o.now_ms();
    this.#recent.begin(this.#start_ms);
    const { batch_size, samples } = calendar.shape;
    const epochs = Math.ceil(calendar.epochs);
    this.#o.emit({ event: "begin", epochs, updates: calendar.updates, batch_size, samples });
  }

  loss(place: Place, loss: number): void {
    this.#loss += loss * place.scale;
    this.#samples += place.samples;
    this.#epoch = place.epoch + 1;
  }

  updated(update: number, rate: number): void {
    const loss = this.#loss;
    const samples = this.#samples;
    this.#loss = 0;
    this.#samples = 0;
    this.#o.files.line("losses", loss.toPrecision(6));
    this.#o.emit({
      event: "update",
      update: update + 1,
      epoch: this.#epoch,
      loss,
      samples,
      samples_per_s: Math.round(this.#recent.add(this.#o.now_ms(), samples) * 1e4) / 10,
      lr: rate,
    });
  }

  validated({ batch, version }: EvaluationStep, slot: number, samples: number, loss: number): void {
    const calendar = this.#calendar!;
    this.#validationLoss += loss * samples;
    this.#countCorrect(slot, samples);
    if (batch < calendar.validationBatches - 1) return;
    const total = calendar.shape.validation_samples;
    const accuracy = this.#rows === 0 ? undefined : this.#correct / this.#rows * 100;
    if (accuracy !== undefined) this.#o.files.line("accuracies", accuracy.toFixed(4));
    this.#o.emit({
      event: "validation",
      epoch: version === calendar.updates ? Math.ceil(calendar.epochs) : calendar.epochOf(version),
      update: version,
      ...(accuracy === undefined ? {} : { accuracy }),
      loss: this.#validationLoss / total,
      samples: total,
    });
    this.#correct = 0;
    this.#rows = 0;
    this.#validationLoss = 0;
  }

  #countCorrect(slot: number, samples: number): void {
    const { head, executor } = this.#o;
    if (head.accuracy === undefined || head.labels === undefined) return;
    const classes = head.output.dims.at(-1);
    if (typeof classes !== "number") return;
    const bytes = executor.validationOutput(slot, head.output.value, samples);
    const output = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
    const given = executor.validationInput(slot, head.labels, samples);
    const labels = head.accuracy === "index"
      ? new BigInt64Array(given.buffer, given.byteOffset, given.byteLength / 8)
      : new Float32Array(given.buffer, given.byteOffset, given.byteLength / 4);
    const counted = countCorrect(output, labels, head.accuracy, classes, head.ignored);
    this.#correct += counted.correct;
    this.#rows += counted.rows;
  }

  averaged(report: AverageReport): void {
    const { ms, waited_ms, bytes_sent, bytes_raw } = report;
    const sums = this.#averaging;
    this.#averaging = {
      averages: (sums?.averages ?? 0) + 1,
      ms: (sums?.ms ?? 0) + ms,
      waited_ms: (sums?.waited_ms ?? 0) + waited_ms,
      bytes_sent: (sums?.bytes_sent ?? 0) + bytes_sent,
      bytes_raw: (sums?.bytes_raw ?? 0) + bytes_raw,
    };
    this.#o.emit({ event: "average", node: this.#o.node, ...report });
  }

  /** The run is over: says how long it took. */
  ended(): void {
    const updates = this.#calendar?.updates ?? 0;
    const wall_s = (this.#o.now_ms() - this.#start_ms) / 1000;
    this.#o.emit({
      event: "end",
      updates,
      wall_s,
      steps_per_s: updates / wall_s,
      ...(this.#averaging === undefined ? {} : { averaging: this.#averaging }),
    });
  }
}
