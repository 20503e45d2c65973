import type { Holder } from "../collective/mod.ts";
import { writeWhole } from "../data/mod.ts";
import { RavnError } from "../error.ts";
import type { StageTask } from "../pipeline/mod.ts";
import type { Plan } from "../planning/mod.ts";
import type { SimulatedMessage, SimulationObserver } from "../simulation/mod.ts";
import { jsonOf } from "./trace.ts";
import { chromeEvents } from "./trace_chrome.ts";
import { crossingsOf } from "./trace_clocks.ts";
import { traceTime } from "./trace_events.ts";
import type { NodeTrace, TracedMessage, TracedWork } from "./trace_events.ts";

/** More than a viewer shows. */
const NODE_STEPS_MAX = 20_000;

/** A trace that grows. */
interface Growing extends NodeTrace {
  readonly works: TracedWork[];
  readonly messages: TracedMessage[];
}

/** Takes down what a simulation does, in the form in which real nodes do, and on one clock. */
export class SimulatedTraces implements SimulationObserver {
  /** By cluster and stage. */
  readonly #traces: readonly (readonly Growing[])[];

  /** @throws {RavnError} where that would be too much to look at */
  constructor({ clusters }: Plan, steps: number) {
    const nodes = clusters.reduce((sum, { stages }) => sum + stages.length, 0);
    if (nodes * steps > NODE_STEPS_MAX) {
      const most = Math.floor(NODE_STEPS_MAX / nodes);
      throw new RavnError(
        `--trace: ${steps} steps of ${nodes} nodes are too much to look at: give ` +
          (most > 0 ? `--steps ${most} or less` : "fewer --nodes"),
      );
    }
    this.#traces = clusters.map(({ id, stages }) =>
      stages.map(({ name, stage }) => ({
        file: name,
        head: { trace: 1, node: name, cluster: id, stage, stages: stages.length, origin_ms: 0 },
        works: [],
        messages: [],
      }))
    );
  }

  ran(node: Holder, task: StageTask, begin_ms: number, end_ms: number): void {
    this.#at(node).works.push({
      type: "work",
      work: task.type,
      of: task.type === "validate" ? task.batch : "update" in task ? task.update : task.microBatch,
      begin: traceTime(begin_ms),
      end: traceTime(end_ms),
    });
  }

  arrived(from: Holder, to: Holder, message: SimulatedMessage): void {
    const { kind, of, bytes, given_ms, left_ms, arrived_ms } = message;
    const [sender, receiver] = [this.#at(from), this.#at(to)];
    sender.messages.push({
      type: "sent",
      kind,
      peer: receiver.head.node,
      of,
      bytes,
      begin: traceTime(given_ms),
      end: traceTime(left_ms),
    });
    receiver.messages.push({
      type: "came",
      kind,
      peer: sender.head.node,
      of,
      bytes,
      begin: traceTime(left_ms),
      end: traceTime(arrived_ms),
    });
  }

  #at({ cluster, stage }: Holder): Growing {
    return this.#traces[cluster]![stage]!;
  }

  /** Writes the trace of all nodes as `ravn trace` does. */
  async write(file: string): Promise<void> {
    const traces = this.#traces.flat();
    const shifts = new Map(traces.map((trace) => [trace, { shift_us: 0 }]));
    await writeWhole(file, jsonOf(chromeEvents(traces, shifts, crossingsOf(traces))));
  }
}
