import assert from "node:assert/strict";
import golden from "../../fixtures/golden/schedules/schedules.json" with { type: "json" };
import { learningRate, type RateSchedule, type RunTime } from "./learning_rate.ts";

const RUN = { update: 0, epoch: 0, updates: 120, epochs: 40 };

function closeTo(actual: number, expected: number, what: string): void {
  assert.ok(Math.abs(actual - expected) <= 1e-10, `${what}: ${actual}, expected ${expected}`);
}

for (const { schedule, rates } of golden.cases) {
  const name = JSON.stringify(schedule);
  for (const per of ["update", "epoch"] as const) {
    Deno.test(`${name} per ${per} is PyTorch's`, () => {
      const { then, ...rest } = { then: undefined, ...schedule };
      const inner = then === undefined ? undefined : { ...then as object, per };
      const full = {
        ...rest,
        per,
        ...(inner === undefined ? {} : { then: inner }),
      } as RateSchedule;
      rates.forEach((expected, t) => {
        // Per update the run has as many updates as rates; per epoch, three updates an epoch.
        const at: RunTime = per === "update"
          ? { update: t, epoch: Math.floor(t / 4), updates: rates.length, epochs: 10 }
          : { update: 3 * t + 1, epoch: t, updates: 3 * rates.length, epochs: rates.length };
        closeTo(learningRate(full, golden.base, at), expected, `${name} at ${t}`);
      });
    });
  }
}

Deno.test("cosine ends with the run if no t_max is given", () => {
  const cosine = { type: "cosine", per: "epoch", eta_min: 0.02 } as const;
  closeTo(learningRate(cosine, 1, RUN), 1, "start");
  closeTo(learningRate(cosine, 1, { ...RUN, update: 60, epoch: 20 }), 0.51, "middle");
  closeTo(learningRate(cosine, 1, { ...RUN, update: 120, epoch: 40 }), 0.02, "end");
});

Deno.test("a warm-up by updates hands over to a schedule by epochs", () => {
  const schedule: RateSchedule = {
    type: "linear_warmup",
    per: "update",
    warmup: 10,
    start_factor: 0,
    then: { type: "step", per: "epoch", step_size: 1, gamma: 0.5 },
  };
  const rateAt = (update: number) =>
    learningRate(schedule, 1, { ...RUN, update, epoch: Math.floor(update / 3) });
  closeTo(rateAt(0), 0, "start");
  closeTo(rateAt(5), 0.5, "half way");
  closeTo(rateAt(10), 1, "top");
  closeTo(rateAt(12), 1, "within the first epoch after it");
  closeTo(rateAt(13), 0.5, "an epoch after it");
});

Deno.test("a warm-up by epochs hands over to a schedule by updates", () => {
  const then = { type: "exponential", per: "update", gamma: 0.9 } as const;
  const schedule: RateSchedule = {
    type: "linear_warmup",
    per: "epoch",
    warmup: 2,
    start_factor: 0,
    then,
  };
  const rateAt = (update: number) =>
    learningRate(schedule, 1, { ...RUN, update, epoch: Math.floor(update / 3) });
  closeTo(rateAt(4), 0.5, "second epoch");
  closeTo(rateAt(6), 1, "top");
  closeTo(rateAt(8), 0.81, "two updates later");
});

Deno.test("a warm-up as long as the run leaves nothing to anneal", () => {
  const then = { type: "cosine", per: "epoch", eta_min: 0 } as const;
  const schedule: RateSchedule = {
    type: "linear_warmup",
    per: "epoch",
    warmup: 40,
    start_factor: 0,
    then,
  };
  closeTo(learningRate(schedule, 1, { ...RUN, update: 120, epoch: 40 }), 1, "end");
});
