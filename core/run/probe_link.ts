import { z } from "zod";
import { EXIT, RavnError } from "../error.ts";
import type { Control, Link } from "../../transport/mod.ts";
import { Echo } from "./link_echo.ts";
import type { LinkMeasurement } from "./link_echo.ts";
import type { Turn } from "./turn.ts";

/** A measurement that takes longer has failed: the peer hangs. */
const MEASURE_MS_MAX = 30_000;

const finite = z.number().positive();

/** What a node tells the others about its machine. */
const machineSchema = z.strictObject({
  cores: finite,
  memory_mb: finite,
  /** All operators of the model, forward and backward, for one micro-batch. */
  operators_ms: finite,
  measured_at: z.iso.datetime(),
});

/** @see machineSchema */
export type ProbedMachine = z.output<typeof machineSchema>;

/** What a node found: its machine, and the ways from it to others by their ids. */
export interface NodeReport {
  readonly machine: ProbedMachine;
  readonly ways: ReadonlyMap<number, { readonly mbps: number; readonly latency_ms: number }>;
}

/**
 * One end of a link that is being measured. The end that dialled measures both directions: first it
 * waits for its own turn, then for the other node's, so that a node takes part in one measurement
 * at a time. Who dials is the node with the lower id: so nobody waits in a circle.
 */
export class ProbeLink {
  readonly link: Link;
  /** What the other node found, once it has told; rejects where it leaves before. */
  readonly report: Promise<NodeReport>;
  readonly #turn: Turn;
  readonly #echo: Echo;
  readonly #granted = Promise.withResolvers<void>();
  readonly #measured = Promise.withResolvers<LinkMeasurement>();
  readonly #reported = Promise.withResolvers<NodeReport>();
  #release: () => void = () => {};

  constructor(link: Link, turn: Turn) {
    this.link = link;
    this.#turn = turn;
    this.report = this.#reported.promise;
    this.#echo = new Echo(link, (message) => this.#control(message));
    link.closed.then((closed) => {
      const { nodeId, address } = link.peer;
      const error = closed.kind === "bye"
        ? new RavnError(`${nodeId} at ${address} left: ${closed.reason}`)
        : closed.error;
      for (const { reject } of [this.#granted, this.#measured, this.#reported]) reject(error);
      this.#release();
    });
    // Who is interested waits; nobody else shall hear of a link that ended.
    for (const { promise } of [this.#granted, this.#measured, this.#reported]) {
      promise.catch(() => {});
    }
  }

  /** On the end that dialled: measures the link when it is its turn. */
  async measure(): Promise<LinkMeasurement> {
    const release = await this.#turn.take();
    const late = setTimeout(() => {
      const { nodeId } = this.link.peer;
      this.link.fail(`measuring the link to ${nodeId} took over ${MEASURE_MS_MAX / 1000} s`);
    }, MEASURE_MS_MAX);
    try {
      await this.#tell("ready", []);
      await this.#granted.promise;
      const found = await this.#echo.measure();
      await this.#tell("finish", [found.latency_ms, found.out_mbps, found.in_mbps]);
      return found;
    } finally {
      clearTimeout(late);
      release();
    }
  }

  /** On the end that was dialled: what the other one measured, as seen from here. */
  get measured(): Promise<LinkMeasurement> {
    return this.#measured.promise;
  }

  /** Tells the other node what this one has found. */
  async send({ machine, ways }: NodeReport): Promise<void> {
    const values = [...ways].flatMap(([id, { mbps, latency_ms }]) => [id, mbps, latency_ms]);
    await this.#tell("saved", values, JSON.stringify(machine));
  }

  async #tell(kind: Control["kind"], values: readonly number[], text = ""): Promise<void> {
    await this.link.control({ kind, step: 0, epoch: 0, values, text });
  }

  #control({ kind, values, text }: Control): void {
    if (kind === "ready") this.#grant();
    else if (kind === "progress") this.#granted.resolve();
    else if (kind === "finish") this.#finish(values);
    else if (kind === "saved") this.#reported.resolve(this.#readReport(values, text));
    else throw this.#unexpected(`"${kind}"`);
  }

  async #grant(): Promise<void> {
    this.#release = await this.#turn.take();
    // Where the link has ended meanwhile, nobody needs the turn.
    await this.#tell("progress", []).catch(() => this.#release());
  }

  #finish(values: readonly number[]): void {
    const [latency_ms, there_mbps, back_mbps] = values;
    if (values.length !== 3 || !values.every((value) => value >= 0 && Number.isFinite(value))) {
      throw this.#unexpected("a measurement that is none");
    }
    this.#release();
    // What goes out there comes in here.
    this.#measured.resolve({ latency_ms: latency_ms!, out_mbps: back_mbps!, in_mbps: there_mbps! });
  }

  #readReport(values: readonly number[], text: string): NodeReport {
    const ways = new Map<number, { mbps: number; latency_ms: number }>();
    for (let at = 0; at < values.length; at += 3) {
      const [id, mbps, latency_ms] = values.slice(at, at + 3);
      const isWay = Number.isSafeInteger(id) && mbps! > 0 && latency_ms! >= 0;
      if (!isWay) throw this.#unexpected("a report with a link that is none");
      ways.set(id!, { mbps: mbps!, latency_ms: latency_ms! });
    }
    return { machine: this.#readMachine(text), ways };
  }

  #readMachine(text: string): ProbedMachine {
    try {
      return machineSchema.parse(JSON.parse(text));
    } catch {
      throw this.#unexpected("a report that cannot be read");
    }
  }

  #unexpected(what: string): RavnError {
    const { nodeId, address } = this.link.peer;
    return new RavnError(
      `${nodeId} at ${address} sent ${what} while links are measured: start it with ravn probe, ` +
        `of the same version`,
      { exitCode: EXIT.failure },
    );
  }
}
