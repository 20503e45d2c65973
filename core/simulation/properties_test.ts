import assert from "node:assert/strict";
import type { Holder } from "../collective/mod.ts";
import { Calendar, outstanding } from "../pipeline/mod.ts";
import { Random } from "../random.ts";
import { simulate } from "./simulate.ts";
import type { SimulationInput } from "./input.ts";
import type { SimulationResult } from "./report.ts";
import { randomRun } from "./testing/random_run.ts";
import { AveragedValues, valueOf } from "./testing/values.ts";

const RUNS = 150;

/** A run, and all that was done in it: by node, in order. */
interface Course {
  readonly input: SimulationInput;
  readonly result: SimulationResult;
  readonly trained: ReadonlyMap<string, readonly string[]>;
  readonly validated: ReadonlyMap<string, readonly string[]>;
  readonly values: AveragedValues;
}

/** @param delays seed of noise and jitter; the run itself is that of `seed` */
function courseOf(seed: number, delays: number): Course {
  const drawn = randomRun(new Random(seed), delays);
  const elements = drawn.clusters[0]!.elements.reduce((sum, count) => sum + count, 0);
  const values = new AveragedValues(drawn.clusters.length, elements);
  const input = { ...drawn, values: values.of.bind(values) };
  const trained = new Map<string, string[]>();
  const validated = new Map<string, string[]>();
  const note = (map: Map<string, string[]>, { cluster, stage }: Holder, text: string) => {
    const key = `${cluster}/${stage}`;
    const list = map.get(key) ?? [];
    map.set(key, list);
    list.push(text);
  };
  const result = simulate(input, {
    ran: (node, work) => {
      if (work.type === "validate") note(validated, node, `${work.validation} ${work.batch}`);
      else {
        const of = "microBatch" in work ? work.microBatch : work.update;
        note(trained, node, `${work.type} ${of}`);
      }
    },
  });
  return { input, result, trained, validated, values };
}

const courses = new Map<number, Course>();

/** The run of a seed, made once. */
function courseOfSeed(seed: number): Course {
  const course = courses.get(seed) ?? courseOf(seed, seed);
  courses.set(seed, course);
  return course;
}

/** Each of `prefix 0` to `prefix count − 1` once, and nothing else that begins so. */
function checkOnce(done: readonly string[], prefix: string, count: number): void {
  const found = done.filter((text) => text.startsWith(`${prefix} `));
  assert.equal(new Set(found).size, found.length, `${prefix}: doubled`);
  assert.equal(found.length, count, `${prefix}: lost`);
}

Deno.test("no micro-batch, update or validation is lost or doubled, no run stands still", () => {
  for (let seed = 0; seed < RUNS; seed++) {
    const { input, result, trained, validated } = courseOfSeed(seed);
    const calendar = new Calendar(input.shape);
    assert.equal(result.updates, calendar.updates);
    assert.equal(result.loss, undefined);
    input.clusters.forEach(({ work: { stages, schedule } }, cluster) => {
      stages.forEach((_, stage) => {
        const done = trained.get(`${cluster}/${stage}`)!;
        const isLast = stage === stages.length - 1;
        checkOnce(done, "forward", isLast ? 0 : calendar.microBatches);
        checkOnce(done, "backward", isLast ? 0 : calendar.microBatches);
        checkOnce(done, "step", isLast ? calendar.microBatches : 0);
        const isSplit = schedule === "zb" && stages.length > 1;
        checkOnce(done, "weights", isSplit ? calendar.microBatches : 0);
        checkOnce(done, "update", calendar.updates);
        const batches = calendar.validations.length * calendar.validationBatches;
        const judged = validated.get(`${cluster}/${stage}`) ?? [];
        assert.equal(new Set(judged).size, batches);
        assert.equal(judged.length, batches);
      });
    });
  }
});

Deno.test("staleness and what is outstanding stay within their bounds", () => {
  let stalest = 0;
  for (let seed = 0; seed < RUNS; seed++) {
    const { input, result } = courseOfSeed(seed);
    const calendar = new Calendar(input.shape);
    for (const { cluster, stage, staleness, outstanding: seen } of result.stages) {
      const { schedule, in_flight, stages } = input.clusters[cluster]!.work;
      const position = { schedule, stage, stages: stages.length, inFlight: in_flight };
      const most = outstanding(position, input.shape.micro_batches);
      assert.ok(seen <= most, `${seen} outstanding, allowed are ${most}`);
      assert.ok(staleness.length <= (schedule === "async" ? most : 1));
      assert.equal(staleness.reduce((sum, count) => sum + count, 0), calendar.microBatches);
      stalest = Math.max(stalest, staleness.length - 1);
    }
  }
  assert.ok(stalest >= 3, "the runs try little");
});

Deno.test("all clusters are equal after the last reduce, bit for bit, and at the mean", () => {
  let averaged = 0;
  for (let seed = 0; seed < RUNS; seed++) {
    const { input, values } = courseOfSeed(seed);
    if (input.clusters.length < 2 || input.shape.reduce_every === undefined) continue;
    averaged++;
    const calendar = new Calendar(input.shape);
    let rounds = 0;
    for (let version = 1; version <= calendar.updates; version++) {
      if (calendar.reduces(version)) rounds++;
    }
    for (const round of values.rounds.values()) assert.equal(round, rounds - 1);
    for (const sums of values.sums) assert.deepEqual(sums, values.sums[0]);
    values.sums[0]!.forEach((sum, i) => {
      const all = input.clusters.map((_, cluster) => valueOf(cluster, i, rounds - 1));
      const mean = all.reduce((a, b) => a + b) / all.length;
      assert.ok(Math.abs(sum - mean) < 1e-6, `element ${i}: ${sum}, the mean is ${mean}`);
    });
  }
  assert.ok(averaged > RUNS / 4);
});

Deno.test("other delays change neither order nor versions nor sums", () => {
  for (let seed = 0; seed < RUNS / 3; seed++) {
    const [one, other] = [courseOf(seed, 1), courseOf(seed, 2)];
    assert.notEqual(one.result.wall_ms, other.result.wall_ms);
    assert.deepEqual(one.trained, other.trained);
    assert.deepEqual(one.values.sums, other.values.sums);
    const staleness = ({ result }: Course) => result.stages.map((stage) => stage.staleness);
    assert.deepEqual(staleness(one), staleness(other));
  }
});

Deno.test("the same seed gives the same numbers to the last digit", () => {
  for (let seed = 0; seed < 20; seed++) {
    assert.deepEqual(courseOf(seed, seed).result, courseOfSeed(seed).result);
  }
});
