import assert from "node:assert/strict";
import { Random } from "../random.ts";
import { Calendar } from "./calendar.ts";
import { EvaluationMachine } from "./evaluation.ts";
import { operations, outstanding } from "./schedule.ts";
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

interface Trace {
  /** For each stage and micro-batch: the weight version of forward, and the updates since. */
  readonly versions: number[][];
  readonly staleness: number[];
  readonly validated: number[][];
}

/** Runs all stages of a chain with skips, delivering messages of different links in random order. */
function simulate(o: {
  readonly schedule: Schedule;
  readonly stages: number;
  readonly inFlight: number;
  readonly calendar: Calendar;
  readonly seed: number;
}): Trace {
  const { schedule, stages, inFlight, calendar } = o;
  const random = new Random(o.seed);
  const links = new Map<string, Message[]>();
  // Neighbours, and a skip from each stage to the last one.
  const reads = (to: number) =>
    Array.from({ length: to }, (_, from) => from)
      .filter((from) => from === to - 1 || to === stages - 1);
  const trace: Trace = {
    versions: Array.from({ length: stages }, () => []),
    staleness: new Array<number>(stages).fill(0),
    validated: Array.from({ length: stages }, () => []),
  };
  const nodes = Array.from({ length: stages }, (_, stage) => {
    const producers = reads(stage);
    const consumers = Array.from({ length: stages }, (_, to) => to)
      .filter((to) => to > stage && reads(to).includes(stage));
    const position = { schedule, stage, stages, inFlight };
    const evaluation = new EvaluationMachine({
      producers,
      consumers,
      batches: calendar.validationBatches,
      window: WINDOW,
    });
    const machine = new StageMachine(
      operations(position, calendar),
      { producers, consumers },
      (update) => evaluation.pending === 0 || !calendar.validations.includes(update + 1),
    );
    const kept = outstanding(position, calendar.shape.micro_batches);
    const versions = new WeightVersions(schedule === "async" ? kept + 2 : 3);
    return { stage, producers, consumers, machine, evaluation, versions, kept, under: 0 };
  });
  type Node = typeof nodes[number];
  const send = (message: Message) => {
    const key = `${message.from}>${message.to}`;
    const queue = links.get(key) ?? [];
    queue.push(message);
    links.set(key, queue);
  };
  const work = (node: Node): boolean => {
    const { stage, machine, versions, evaluation, producers, consumers } = node;
    const step = evaluation.next();
    const operation = machine.next();
    if (step !== undefined && (operation === undefined || random.uniform() < 0.5)) {
      versions.pinned(step.version);
      const of = { index: step.batch, validation: step.validation, from: stage };
      for (const to of consumers) send({ kind: "evaluate", to, ...of });
      for (const to of producers) send({ kind: "evaluated", to, ...of });
      const done = evaluation.completed();
      if (done !== undefined) {
        trace.validated[stage]!.push(done);
        versions.unpin(done);
      }
      return true;
    }
    if (operation === undefined) return false;
    const of = { from: stage, validation: 0 };
    if (operation.type === "update") {
      const { version } = versions.advance();
      for (const due of calendar.validations) {
        if (due === version) evaluation.due(versions.pin());
      }
    } else {
      const { type, microBatch: index } = operation;
      if (type !== "backward") {
        trace.versions[stage]![index] = versions.version;
        versions.stash(index);
        node.under++;
        assert.ok(node.under <= node.kept, "more micro-batches under way than allowed");
        for (const to of consumers) send({ kind: "forward", to, index, ...of });
      }
      if (type !== "forward") {
        const { version } = versions.stashed(index);
        assert.equal(version, trace.versions[stage]![index], "backward with other weights");
        const staleness = versions.version - version;
        trace.staleness[stage] = Math.max(trace.staleness[stage]!, staleness);
        versions.release(index);
        node.under--;
        for (const to of producers) send({ kind: "backward", to, index, ...of });
      }
    }
    machine.completed();
    return true;
  };
  const deliver = (queue: Message[]) => {
    const { kind, from, to, index, validation } = queue.shift()!;
    const { machine, evaluation } = nodes[to]!;
    if (kind === "evaluate") evaluation.arrived(from, validation, index);
    else if (kind === "evaluated") evaluation.acknowledged(from, validation, index);
    else machine.arrived(kind, index, from);
  };
  while (true) {
    const queues = [...links.values()].filter((queue) => queue.length > 0);
    const choices = [...nodes.keys(), ...queues.map((_, i) => stages + i)];
    random.shuffle(choices);
    const moved = choices.some((choice) => {
      if (choice < stages) return work(nodes[choice]!);
      deliver(queues[choice - stages]!);
      return true;
    });
    if (!moved) break;
  }
  for (const { stage, machine, evaluation } of nodes) {
    assert.ok(machine.finished, `stage ${stage} waits for ${JSON.stringify(machine.awaits)}`);
    assert.equal(evaluation.finished, calendar.validations.length);
  }
  return trace;
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

Deno.test("every schedule ends, whatever the order of messages, with the same versions", () => {
  for (const schedule of ["async", "gpipe", "1f1b"] as const) {
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

Deno.test("synchronous schedules never compute with old weights", () => {
  for (const schedule of ["gpipe", "1f1b"] as const) {
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
