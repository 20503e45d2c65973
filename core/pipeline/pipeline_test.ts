import assert from "node:assert/strict";
import { Random } from "../random.ts";
import { Calendar } from "./calendar.ts";
import { EvaluationMachine } from "./evaluation.ts";
import type { EvaluationStep } from "./evaluation.ts";
import { deferred, operations, outstanding, SCHEDULES, splitsBackward } from "./schedule.ts";
import type { Schedule } from "./schedule.ts";
import { StageMachine } from "./stage_machine.ts";
import { WeightVersions } from "./versions.ts";

const WINDOW = 2;

interface Message {
  readonly kind: "forward" | "backward" | "evaluate" | "evaluated";
  readonly from: number;
  readonly to: number;
  readonly index: number;
  readonly validation: number;
}

interface Setting {
  readonly schedule: Schedule;
  readonly stages: number;
  readonly inFlight: number;
  readonly calendar: Calendar;
}

/** A stage that computes nothing, but counts what it would. */
class FakeStage {
  readonly producers: readonly number[];
  readonly consumers: readonly number[];
  readonly machine: StageMachine;
  readonly evaluation: EvaluationMachine;
  readonly weights: WeightVersions;
  /** Weight version of each micro-batch's forward. */
  readonly versions: number[] = [];
  readonly validated: number[] = [];
  staleness = 0;
  #under = 0;
  readonly #kept: number;
  /** Micro-batches that have come back, but for the gradients of the weights. */
  readonly #late = new Set<number>();
  readonly #lateMax: number;

  constructor(readonly stage: number, o: Setting, readonly send: (message: Message) => void) {
    const { schedule, stages, inFlight, calendar } = o;
    // A chain, with a skip from each stage to the last one.
    const reads = (from: number, to: number) => from === to - 1 || (from < to && to === stages - 1);
    const all = Array.from({ length: stages }, (_, i) => i);
    this.producers = all.filter((from) => reads(from, stage));
    this.consumers = all.filter((to) => reads(stage, to));
    const neighbours = { producers: this.producers, consumers: this.consumers };
    const batches = calendar.validationBatches;
    this.evaluation = new EvaluationMachine({ ...neighbours, batches, window: WINDOW });
    const position = { schedule, stage, stages, inFlight };
    this.machine = new StageMachine(
      operations(position, calendar),
      neighbours,
      (update) => this.evaluation.pending === 0 || !calendar.validations.includes(update + 1),
    );
    this.#kept = outstanding(position, calendar.shape.micro_batches);
    this.#lateMax = splitsBackward(position)
      ? deferred(position, calendar.shape.micro_batches) + 1
      : 0;
    this.weights = new WeightVersions(schedule === "async" ? this.#kept + 2 : 3);
  }

  /** Does one thing, if there is one to do. */
  work(calendar: Calendar, random: Random): boolean {
    const step = this.evaluation.next();
    const operation = this.machine.next();
    if (step !== undefined && (operation === undefined || random.uniform() < 0.5)) {
      this.#validate(step);
    } else if (operation === undefined) {
      return false;
    } else {
      if (operation.type === "update") this.#update(calendar);
      else if (operation.type === "weights") this.#deriveWeights(operation.microBatch);
      else if ("microBatch" in operation) this.#compute(operation.type, operation.microBatch);
      else this.#average(operation.type, operation.update + 1, calendar);
      this.machine.completed();
    }
    return true;
  }

  #validate({ version, batch, validation }: EvaluationStep): void {
    this.weights.pinned(version);
    const of = { index: batch, validation, from: this.stage };
    for (const to of this.consumers) this.send({ kind: "evaluate", to, ...of });
    for (const to of this.producers) this.send({ kind: "evaluated", to, ...of });
    const done = this.evaluation.completed();
    if (done === undefined) return;
    this.validated.push(done);
    this.weights.unpin(done);
  }

  #update(calendar: Calendar): void {
    assert.equal(this.#late.size, 0, "an update without the gradients of some weights");
    const { version } = this.weights.advance();
    for (const due of calendar.validations) {
      if (due === version) this.evaluation.due(this.weights.pin());
    }
  }

  /** A mean takes the place of weights that nothing uses yet. */
  #average(type: "norm" | "reduce" | "adopt", version: number, calendar: Calendar): void {
    assert.equal(this.weights.version, version);
    if (calendar.isBarrier(version)) assert.equal(this.#under, 0, "the pipeline has drained");
    if (type !== "adopt") return;
    for (let m = 0; m < this.versions.length; m++) assert.ok(this.versions[m]! < version);
  }

  #compute(type: "forward" | "backward" | "step", index: number): void {
    const of = { from: this.stage, validation: 0, index };
    if (type !== "backward") {
      this.versions[index] = this.weights.version;
      this.weights.stash(index);
      this.#under++;
      assert.ok(this.#under <= this.#kept, "more micro-batches under way than allowed");
      for (const to of this.consumers) this.send({ kind: "forward", to, ...of });
    }
    if (type === "forward") return;
    const { version } = this.weights.stashed(index);
    assert.equal(version, this.versions[index], "backward with other weights");
    this.staleness = Math.max(this.staleness, this.weights.version - version);
    this.weights.release(index);
    this.#under--;
    if (this.#lateMax > 0) this.#late.add(index);
    assert.ok(this.#late.size <= this.#lateMax, "more weights put off than allowed");
    for (const to of this.producers) this.send({ kind: "backward", to, ...of });
  }

  #deriveWeights(index: number): void {
    assert.ok(this.#late.delete(index), "weights before backward, or twice");
    assert.equal(this.weights.version, this.versions[index], "weights have been updated");
  }

  /** Takes in a message. */
  receive({ kind, from, index, validation }: Message): void {
    if (kind === "evaluate") this.evaluation.arrived(from, validation, index);
    else if (kind === "evaluated") this.evaluation.acknowledged(from, validation, index);
    else this.machine.arrived(kind, index, from);
  }
}

interface Trace {
  readonly versions: readonly number[][];
  readonly staleness: readonly number[];
  readonly validated: readonly number[][];
}

/** Runs all stages, delivering messages of different links in random order. */
function simulate(o: Setting & { readonly seed: number }): Trace {
  const random = new Random(o.seed);
  const links = new Map<string, Message[]>();
  const send = (message: Message) => {
    const key = `${message.from}>${message.to}`;
    links.set(key, [...links.get(key) ?? [], message]);
  };
  const stages = Array.from({ length: o.stages }, (_, stage) => new FakeStage(stage, o, send));
  const deliver = (key: string) => {
    const [message, ...rest] = links.get(key)!;
    links.set(key, rest);
    stages[message!.to]!.receive(message!);
    return true;
  };
  for (let moved = true; moved;) {
    const waiting = [...links.keys()].filter((key) => links.get(key)!.length > 0);
    const choices: (FakeStage | string)[] = [...stages, ...waiting];
    random.shuffle(choices);
    moved = choices.some((choice) =>
      typeof choice === "string" ? deliver(choice) : choice.work(o.calendar, random)
    );
  }
  for (const { stage, machine, evaluation } of stages) {
    assert.ok(machine.finished, `stage ${stage} waits for ${JSON.stringify(machine.awaits)}`);
    assert.equal(evaluation.finished, o.calendar.validations.length);
  }
  return {
    versions: stages.map(({ versions }) => versions),
    staleness: stages.map(({ staleness }) => staleness),
    validated: stages.map(({ validated }) => validated),
  };
}

const calendar = new Calendar({
  epochs: 3,
  samples: 50,
  batch_size: 8,
  micro_batches: 3,
  update_frequency: 2,
  validation_samples: 20,
  validation_every: 0,
});

/** All versions that clusters average. */
function reductionsOf(calendar: Calendar): number[] {
  const versions = Array.from({ length: calendar.updates }, (_, i) => i + 1);
  return versions.filter((version) => calendar.reduces(version));
}

Deno.test("every schedule ends, whatever the order of messages, with the same versions", () => {
  for (const schedule of SCHEDULES) {
    for (const stages of [1, 2, 3, 5]) {
      for (const inFlight of [1, stages, stages + 2]) {
        const traces = [1, 2, 3, 4].map((seed) =>
          simulate({ schedule, stages, inFlight, calendar, seed })
        );
        for (const { versions, validated } of traces) {
          assert.deepEqual(versions, traces[0]!.versions);
          for (const list of validated) assert.deepEqual(list, calendar.validations);
        }
      }
    }
  }
});

Deno.test("a stage averages each version that is due, once, in an empty pipeline", () => {
  for (const schedule of SCHEDULES) {
    for (const reduce_every of [0, 1, 3, 100]) {
      const averaging = new Calendar({ ...calendar.shape, reduce_every });
      for (const stages of [1, 3]) {
        simulate({ schedule, stages, inFlight: 3, calendar: averaging, seed: reduce_every });
        for (let stage = 0; stage < stages; stage++) {
          const order = [...operations({ schedule, stage, stages, inFlight: 3 }, averaging)];
          const of = (type: string) =>
            order.flatMap((o) => o.type === type && "update" in o ? [o.update + 1] : []);
          assert.deepEqual(of("reduce"), reductionsOf(averaging));
          assert.deepEqual(of("adopt"), reductionsOf(averaging));
          order.forEach((operation, i) => {
            if (operation.type !== "reduce") return;
            assert.deepEqual(order[i - 1], { type: "update", update: operation.update });
          });
          const without = [...operations({ schedule, stage, stages, inFlight: 3 }, calendar)];
          const kept = order.filter(({ type }) => type !== "reduce" && type !== "adopt");
          assert.equal(kept.length, without.length);
        }
      }
    }
  }
});

Deno.test("averages that are taken over later change no weights that are in use", () => {
  for (const schedule of SCHEDULES) {
    for (const [reduce_every, reduce_delay] of [[0, 1], [1, 1], [2, 1], [3, 2]] as const) {
      const shape = { ...calendar.shape, micro_batches: 2, reduce_every, reduce_delay };
      const averaging = new Calendar(shape);
      for (const seed of [1, 2, 3]) {
        simulate({ schedule, stages: 3, inFlight: 4, calendar: averaging, seed });
      }
      const order = [...operations({ schedule, stage: 0, stages: 3, inFlight: 4 }, averaging)];
      const turns = order.flatMap(({ type }) => type === "reduce" || type === "adopt" ? type : []);
      turns.forEach((turn, i) => assert.equal(turn, i % 2 === 0 ? "reduce" : "adopt"));
      assert.equal(turns.length, 2 * reductionsOf(averaging).length);
    }
  }
});

Deno.test("an average that is not complete is waited for", () => {
  let complete = false;
  const shape = { ...calendar.shape, epochs: 1, reduce_every: 100, validation_samples: 0 };
  const machine = new StageMachine(
    operations({ schedule: "async", stage: 0, stages: 1, inFlight: 1 }, new Calendar(shape)),
    { producers: [], consumers: [] },
    () => true,
    () => complete,
  );
  while (machine.next() !== undefined) machine.completed();
  assert.ok(machine.adopts && !machine.finished && machine.awaits === undefined);
  complete = true;
  assert.equal(machine.next()?.type, "adopt");
  machine.completed();
  assert.ok(machine.finished);
});

Deno.test("synchronous schedules never compute with old weights", () => {
  for (const schedule of ["gpipe", "1f1b", "zb"] as const) {
    const { versions, staleness } = simulate({
      schedule,
      stages: 4,
      inFlight: 4,
      calendar,
      seed: 7,
    });
    assert.deepEqual(staleness, [0, 0, 0, 0]);
    for (const list of versions) {
      list.forEach((version, m) => assert.equal(version, calendar.place(m).update));
    }
  }
});

Deno.test("asynchronous staleness is the number of micro-batches under way less one", () => {
  const everyBatch = new Calendar({ ...calendar.shape, micro_batches: 1, update_frequency: 1 });
  const trace = simulate({
    schedule: "async",
    stages: 3,
    inFlight: 3,
    calendar: everyBatch,
    seed: 1,
  });
  assert.deepEqual(trace.staleness, [2, 1, 0]);
});

Deno.test("one micro-batch in flight is not stale", () => {
  const trace = simulate({ schedule: "async", stages: 3, inFlight: 1, calendar, seed: 1 });
  assert.deepEqual(trace.staleness, [0, 0, 0]);
});

Deno.test("a doubled or foreign message is refused", () => {
  const machine = new StageMachine(
    operations({ schedule: "async", stage: 1, stages: 3, inFlight: 3 }, calendar),
    { producers: [0], consumers: [2] },
  );
  machine.arrived("forward", 0, 0);
  assert.throws(() => machine.arrived("forward", 0, 0), /forward 1 was expected/);
  assert.throws(() => machine.arrived("forward", 0, 2), /sends no forward/);
});
