import assert from "node:assert/strict";
import { Calendar } from "./calendar.ts";
import { deferred, operations, outstanding } from "./schedule.ts";
import type { Operation, Schedule } from "./schedule.ts";

/** One update of `microBatches` micro-batches. */
function calendarOf(microBatches: number): Calendar {
  return new Calendar({
    epochs: 1,
    samples: microBatches,
    batch_size: microBatches,
    micro_batches: microBatches,
    update_frequency: 1,
    validation_samples: 0,
    validation_every: 0,
  });
}

function orderOf(schedule: Schedule, stage: number, stages: number, of: Calendar): Operation[] {
  return [...operations({ schedule, stage, stages, inFlight: stages }, of)];
}

/** Times of the forward, the gradients that go back, and those of the weights. */
interface Times {
  readonly f: number;
  readonly b: number;
  readonly w: number;
}

function timeOf({ type }: Operation, splits: boolean, { f, b, w }: Times): number {
  const back = splits ? b : b + w;
  const times: Readonly<Record<string, number>> = { forward: f, backward: back, step: f + back };
  return type === "weights" ? w : times[type] ?? 0;
}

/** When the last stage is done with one update of a chain, messages taking no time. */
function spanOf(schedule: Schedule, stages: number, microBatches: number, times: Times): number {
  const calendar = calendarOf(microBatches);
  const orders = Array.from({ length: stages }, (_, s) => orderOf(schedule, s, stages, calendar));
  const clocks = orders.map(() => 0);
  const next = orders.map(() => 0);
  /** End of each operation, by type, stage and micro-batch. */
  const ends = new Map<string, number>();
  const begin = (operation: Operation, stage: number): number | undefined => {
    if (!("microBatch" in operation) || operation.type === "weights") return 0;
    const m = operation.microBatch;
    if (operation.type === "backward") {
      return ends.get(`${stage + 1 === stages - 1 ? "step" : "backward"} ${stage + 1} ${m}`);
    }
    return stage === 0 ? 0 : ends.get(`forward ${stage - 1} ${m}`);
  };
  for (let moved = true; moved;) {
    moved = false;
    for (const [stage, order] of orders.entries()) {
      const operation = order[next[stage]!];
      const ready = operation && begin(operation, stage);
      if (operation === undefined || ready === undefined) continue;
      const took = timeOf(operation, schedule === "zb", times);
      clocks[stage] = Math.max(clocks[stage]!, ready) + took;
      if ("microBatch" in operation) {
        ends.set(`${operation.type} ${stage} ${operation.microBatch}`, clocks[stage]!);
      }
      next[stage]!++;
      moved = true;
    }
  }
  orders.forEach((order, stage) => assert.equal(next[stage], order.length, "a deadlock"));
  return Math.max(...clocks);
}

Deno.test("zb: the weights of each micro-batch follow its backward, all before the update", () => {
  for (const stages of [2, 3, 4, 5, 6]) {
    for (let microBatches = 1; microBatches <= 16; microBatches++) {
      const calendar = calendarOf(microBatches);
      for (let stage = 0; stage < stages; stage++) {
        const order = orderOf("zb", stage, stages, calendar);
        const at = (type: string, m: number) =>
          order.findIndex((o) => o.type === type && "microBatch" in o && o.microBatch === m);
        const back = stage === stages - 1 ? "step" : "backward";
        for (let m = 0; m < microBatches; m++) {
          assert.ok(at(back, m) >= 0 && at(back, m) < at("weights", m));
          assert.ok(m === 0 || at("weights", m - 1) < at("weights", m), "in order");
        }
        assert.equal(order.at(-1)!.type, "update");
        const count = stage === stages - 1 ? 2 : 3;
        assert.equal(order.length, count * microBatches + 1, "nothing twice");
      }
    }
  }
});

Deno.test("zb keeps the activations of no more micro-batches than the first stage of 1f1b", () => {
  for (const stages of [2, 3, 4, 5, 6]) {
    for (const microBatches of [1, 2, 4, 8, 16]) {
      const calendar = calendarOf(microBatches);
      for (let stage = 0; stage < stages; stage++) {
        const position = { schedule: "zb", stage, stages, inFlight: 1 } as const;
        const bound = outstanding(position, microBatches);
        const first = outstanding({ ...position, schedule: "1f1b", stage: 0 }, microBatches);
        assert.equal(bound, outstanding({ ...position, schedule: "1f1b" }, microBatches));
        let [under, late, kept] = [0, 0, 0];
        for (const { type } of orderOf("zb", stage, stages, calendar)) {
          if (type === "forward" || type === "step") kept++;
          if (type === "forward") under++;
          if (type === "backward") under--;
          if (type === "backward" || type === "step") {
            assert.ok(late <= deferred(position, microBatches));
            late++;
          }
          if (type === "weights") [late, kept] = [late - 1, kept - 1];
          assert.ok(under <= bound && kept <= first, `stage ${stage} keeps ${kept} of ${first}`);
        }
      }
    }
  }
});

/**
 * The longest way through an update: p − 1 forwards to the last stage, there m(F + B) and the W of
 * all but the last p micro-batches, which it has put off, then p − 1 backwards to the root, and a W
 * there. Less m(F + B + W), the work of a stage, (p − 1)(F + B − W) is left where m ≥ p, as in the
 * paper's table 2, and (p − 1)(F + B) − (m − 1)W with fewer micro-batches. W must not be longer
 * than F or B, or it holds back what others wait for.
 */
function bubbleOfH1(stages: number, microBatches: number, { f, b, w }: Times): number {
  return (stages - 1) * (f + b) - (Math.min(stages, microBatches) - 1) * w;
}

Deno.test("the bubble of zb is that of ZB-H1, less than that of 1f1b", () => {
  for (const times of [{ f: 1, b: 1, w: 1 }, { f: 1, b: 1.5, w: 1 }, { f: 2, b: 2, w: 1 }]) {
    const work = times.f + times.b + times.w;
    for (const stages of [2, 3, 4, 5, 6]) {
      for (let microBatches = 1; microBatches <= 16; microBatches++) {
        const bubble = (schedule: Schedule) =>
          spanOf(schedule, stages, microBatches, times) - microBatches * work;
        const [plain, zb] = [bubble("1f1b"), bubble("zb")];
        assert.ok(Math.abs(plain - (stages - 1) * work) < 1e-9, `1f1b: ${plain}`);
        const expected = bubbleOfH1(stages, microBatches, times);
        assert.ok(Math.abs(zb - expected) < 1e-9, `${stages}, ${microBatches}: ${zb}, ${expected}`);
        assert.ok(zb < plain, `${stages} stages, ${microBatches} micro-batches`);
      }
    }
  }
});

Deno.test("one stage alone puts nothing off, and no other schedule does", () => {
  const calendar = calendarOf(4);
  assert.deepEqual(orderOf("zb", 0, 1, calendar), orderOf("1f1b", 0, 1, calendar));
  for (const schedule of ["async", "gpipe", "1f1b"] as const) {
    const types = new Set(orderOf(schedule, 1, 3, calendar).map(({ type }) => type));
    assert.ok(!types.has("weights"));
  }
});
