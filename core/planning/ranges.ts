import type { StageLoad } from "./memory.ts";
import { stepsOf } from "./range_steps.ts";
import type { Step } from "./range_steps.ts";
import { gradientStashBytes } from "./stash.ts";
import type { Workload } from "./workload.ts";

/** Sums of `of(0)`, `of(0) + of(1)`, … over the operators before each of the positions. */
function prefixSums(positions: readonly number[], of: (index: number) => number): Float64Array {
  let at = 0, sum = 0;
  return Float64Array.from(positions, (position) => {
    while (at < position) sum += of(at++);
    return sum;
  });
}

/** The numbers of one range of operators. */
export class RangeLoad implements StageLoad {
  forward_ms = 0;
  backward_ms = 0;
  parameter_count = 0;
  parameters = 0;
  buffers = 0;
  inputs = 0;
  stash = 0;
  gradient_stash = 0;
  working = 0;
  received = 0;
  gradients_sent = 0;
  sent = 0;
  gradients_received = 0;
}

/**
 * Loads of every contiguous range of operators between two of the given cut positions.
 *
 * A position p means a border before operator p. Positions are named by their index in `positions`,
 * of which the first is 0 and the last the number of operators. For m positions the table takes
 * 24 m² bytes and O(m · n) time to build. Sums over operators are prefix sums; a parameter counts
 * where it is read first, since all its readers stand in one stage.
 */
export class RangeTable {
  readonly workload: Workload;
  readonly positions: readonly number[];
  readonly #rows: number[];
  readonly #inputs: Float64Array;
  readonly #gradientsSent: Float64Array;
  readonly #sent: Float64Array;
  readonly #gradientsReceived: Float64Array;
  readonly #stash: Float64Array;
  readonly #working: Float64Array;
  readonly #gradientStash: Float64Array;
  readonly #forward: Float64Array;
  readonly #backward: Float64Array;
  readonly #parameters: Float64Array;
  readonly #elements: Float64Array;
  readonly #trained: Float64Array;
  readonly #buffers: Float64Array;

  constructor(workload: Workload, positions: readonly number[]) {
    this.workload = workload;
    this.positions = positions;
    const count = positions.length;
    this.#rows = positions.map((_, from) =>
      from * (count - 1) - (from * (from - 1)) / 2 - from - 1
    );
    const table = () => new Float64Array((count * (count - 1)) / 2);
    this.#inputs = table();
    this.#gradientsSent = table();
    this.#sent = table();
    this.#gradientsReceived = table();
    this.#stash = table();
    this.#working = table();
    const { operators, parameters, buffers } = workload;
    const first = new Map<number, { bytes: number; elements: number; count: number }>();
    for (const { readers, bytes, elements } of parameters.values()) {
      const sum = first.get(readers[0]!) ?? { bytes: 0, elements: 0, count: 0 };
      first.set(readers[0]!, {
        bytes: sum.bytes + bytes,
        elements: sum.elements + elements,
        count: sum.count + 1,
      });
    }
    const bufferBytes = (i: number) =>
      operators[i]!.buffers.reduce((sum, name) => sum + buffers.get(name)!.bytes, 0);
    this.#forward = prefixSums(positions, (i) => operators[i]!.forward_ms);
    this.#backward = prefixSums(positions, (i) => operators[i]!.backward_ms);
    this.#gradientStash = prefixSums(
      positions,
      (i) => gradientStashBytes(operators[i]!, workload.values),
    );
    this.#parameters = prefixSums(positions, (i) => first.get(i)?.bytes ?? 0);
    this.#elements = prefixSums(positions, (i) => first.get(i)?.elements ?? 0);
    this.#trained = prefixSums(positions, (i) => first.get(i)?.count ?? 0);
    this.#buffers = prefixSums(positions, (i) => operators[i]!.constant_bytes + bufferBytes(i));
    this.#fill(stepsOf(workload));
  }

  #fill(steps: readonly Step[]): void {
    const { positions } = this;
    for (let from = 0; from < positions.length - 1; from++) this.#fillRow(steps, from);
  }

  /** Walks from one position to the end and notes the running sums at each later position. */
  #fillRow(steps: readonly Step[], from: number): void {
    const { positions } = this;
    const start = positions[from]!;
    let inputs = 0, gradientsSent = 0, sent = 0, gradientsReceived = 0, stash = 0, working = 0;
    if (start === 0) {
      // The root reads the data, also for the stages after it.
      for (const { producer, readers, bytes } of this.workload.values.values()) {
        if (producer < 0 && readers.length > 0) sent += bytes;
      }
    }
    for (let i = start, to = from + 1; i < steps.length; i++) {
      const step = steps[i]!;
      for (const use of step.uses) {
        const isInside = use.producer >= start || (use.producer < 0 && start === 0);
        if (isInside && use.isLast) {
          sent -= use.bytes;
          gradientsReceived -= use.gradient_bytes;
        }
        if (use.producer < start && use.previous < start) {
          inputs += use.bytes;
          gradientsSent += use.gradient_bytes;
        }
      }
      for (const { bytes, gradient_bytes } of step.made) {
        sent += bytes;
        gradientsReceived += gradient_bytes;
      }
      for (const { bytes, previous } of step.stashed) if (previous < start) stash += bytes;
      stash += step.stash_bytes;
      working = Math.max(working, step.working);
      if (i + 1 !== positions[to]) continue;
      const at = this.#rows[from]! + to;
      this.#inputs[at] = inputs;
      this.#gradientsSent[at] = gradientsSent;
      this.#sent[at] = sent;
      this.#gradientsReceived[at] = gradientsReceived;
      this.#stash[at] = stash;
      this.#working[at] = working;
      to++;
    }
  }

  /** Trainable parameters (tensors) between two positions. */
  trained(from: number, to: number): number {
    return this.#between(this.#trained, from, to);
  }

  /** Elements of the trainable parameters between two positions. */
  elements(from: number, to: number): number {
    return this.#between(this.#elements, from, to);
  }

  /** Forward time between two positions at speed 1, ms. */
  forward(from: number, to: number): number {
    return this.#between(this.#forward, from, to);
  }

  /** Backward time between two positions at speed 1, ms. */
  backward(from: number, to: number): number {
    return this.#between(this.#backward, from, to);
  }

  #between(sums: Float64Array, from: number, to: number): number {
    return sums[to]! - sums[from]!;
  }

  /** Writes the load of the operators between two positions into `load`. */
  read(from: number, to: number, load: RangeLoad): void {
    const at = this.#rows[from]! + to;
    load.forward_ms = this.forward(from, to);
    load.backward_ms = this.backward(from, to);
    load.parameter_count = this.elements(from, to);
    load.parameters = this.#between(this.#parameters, from, to);
    load.buffers = this.#between(this.#buffers, from, to);
    load.inputs = this.#inputs[at]!;
    load.stash = this.#stash[at]!;
    load.gradient_stash = this.#between(this.#gradientStash, from, to);
    load.working = this.#working[at]!;
    // What the first stage reads from outside is data, not traffic.
    load.received = from === 0 ? 0 : this.#inputs[at]!;
    load.gradients_sent = from === 0 ? 0 : this.#gradientsSent[at]!;
    load.sent = this.#sent[at]!;
    load.gradients_received = this.#gradientsReceived[at]!;
  }
}
