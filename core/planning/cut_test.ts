import assert from "node:assert/strict";
import { Random } from "../random.ts";
import { minMaxCost } from "./contiguous.ts";
import { cutByMemory, cutByParameters, cutByTime } from "./cut.ts";
import { cutPositions } from "./cut_positions.ts";
import { stageMemory } from "./memory.ts";
import { RangeTable } from "./ranges.ts";
import { StageCosts } from "./stage_costs.ts";
import type { Chain, TrainingTerms } from "./stage_costs.ts";
import { allPartitions, loadOf } from "./testing/brute_force.ts";
import { randomWorkload } from "./testing/random_workload.ts";
import type { Workload } from "./workload.ts";

interface Instance {
  readonly workload: Workload;
  readonly positions: number[];
  readonly chain: Chain;
  readonly terms: TrainingTerms;
}

function randomInstance(random: Random): Instance {
  const workload = randomWorkload(random, 2 + random.integer(8));
  const stages = 1 + random.integer(4);
  const tight = random.integer(2) === 0;
  const pick = <T>(items: readonly T[]): T => items[random.integer(items.length)]!;
  return {
    workload,
    positions: cutPositions(workload),
    chain: {
      nodes: Array.from({ length: stages }, () => ({
        speed: pick([0.5, 1, 2]),
        ram_bytes: tight ? 5000 + random.integer(40_000) : 1e9,
      })),
      links_mbps: Array.from({ length: stages - 1 }, () => pick([0.5, 1, 8])),
    },
    terms: {
      schedule: pick(["async", "gpipe", "1f1b"]),
      in_flight: 1 + random.integer(6),
      micro_batches: 1 + random.integer(4),
      optimizer_slots: random.integer(3),
      recompute: pick(["auto", "on", "off"]),
    },
  };
}

function outstanding(terms: TrainingTerms, stage: number, stages: number): number {
  if (stage === stages - 1) return 1;
  if (terms.schedule === "async") {
    const step = Math.max(1, (terms.in_flight - 1) / (stages - 1));
    return Math.max(1, terms.in_flight - Math.ceil(stage * step));
  }
  if (terms.schedule === "gpipe") return terms.micro_batches;
  return Math.min(terms.micro_batches, stages - stage);
}

/** Time, memory lack and traffic of a stage, straight from the definitions. */
function judge({ workload, chain, terms }: Instance, stage: number, start: number, end: number) {
  const load = loadOf(workload, start, end);
  const stages = chain.nodes.length;
  const { speed, ram_bytes } = chain.nodes[stage]!;
  const depth = outstanding(terms, stage, stages);
  const versions = terms.schedule === "async" ? depth : 1;
  const memory = (recompute: boolean) =>
    stageMemory(
      load,
      { outstanding: depth, versions, optimizer_slots: terms.optimizer_slots },
      recompute,
    )
      .total;
  const modes = stage === stages - 1 || terms.recompute === "off"
    ? [false]
    : terms.recompute === "on"
    ? [true]
    : [false, true];
  const mode = modes.find((recompute) => memory(recompute) <= ram_bytes);
  const before = chain.links_mbps[stage - 1] ?? Infinity;
  const after = chain.links_mbps[stage] ?? Infinity;
  const ms = (bytes: number, mbps: number) => (bytes * 8) / (mbps * 1000);
  const traffic_ms = Math.max(
    ms(load.sent, after) + ms(load.gradients_sent, before),
    ms(load.received, before) + ms(load.gradients_received, after),
  );
  const hasParameter = load.parameter_count > 0;
  const computed = load.forward_ms * (mode === true ? 2 : 1) + load.backward_ms;
  return {
    time: mode === undefined || !hasParameter ? Infinity : computed / speed + traffic_ms,
    lack: hasParameter ? Math.max(0, Math.min(...modes.map(memory)) - ram_bytes) : Infinity,
    traffic: load.received + load.gradients_sent,
    elements: load.parameter_count,
  };
}

/** All cuts, each as the costs and borders by which the best is chosen. */
function ranked(
  instance: Instance,
  costOf: (judged: ReturnType<typeof judge>) => number,
): { rank: number[]; borders: number[] }[] {
  const { positions, chain } = instance;
  return [...allPartitions(chain.nodes.length, positions.length)].map((borders) => {
    const judged = borders.slice(1).map((to, stage) =>
      judge(instance, stage, positions[borders[stage]!]!, positions[to]!)
    );
    const costs = judged.map(costOf);
    return {
      borders,
      rank: [
        Math.max(...costs),
        judged.reduce((total, { traffic }) => total + traffic, 0),
        costs.reduceRight((total, cost) => cost ** 2 + total, 0),
        ...borders,
      ],
    };
  }).filter(({ rank }) => rank[0] !== Infinity);
}

/** Numbers that differ in the last bits count as equal. */
function compare(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < a.length; i++) {
    const difference = a[i]! - b[i]!;
    if (Math.abs(difference) > 1e-9 * Math.max(Math.abs(a[i]!), Math.abs(b[i]!))) return difference;
  }
  return 0;
}

Deno.test("the cut by time is the best of all cuts, in its ties too", () => {
  const random = new Random(11);
  let feasible = 0;
  for (let trial = 0; trial < 300; trial++) {
    const instance = randomInstance(random);
    const table = new RangeTable(instance.workload, instance.positions);
    const costs = new StageCosts(table, instance.chain, instance.terms);
    const best = ranked(instance, ({ time }) => time).sort((a, b) => compare(a.rank, b.rank))[0];
    const cut = cutByTime(costs);
    assert.equal(cut === undefined, best === undefined);
    if (cut === undefined || best === undefined) continue;
    feasible++;
    assert.ok(compare([cut.bottleneck], [best.rank[0]!]) === 0);
    assert.deepEqual(cut.borders, best.borders);
  }
  assert.ok(feasible > 100, `only ${feasible} instances could be cut`);
});

Deno.test("the cut by parameters is the best of all cuts that fit", () => {
  const random = new Random(12);
  for (let trial = 0; trial < 200; trial++) {
    const instance = randomInstance(random);
    const table = new RangeTable(instance.workload, instance.positions);
    const costs = new StageCosts(table, instance.chain, instance.terms);
    const all = ranked(instance, ({ lack, elements }) => lack > 0 ? Infinity : elements);
    const best = all.sort((a, b) => compare(a.rank, b.rank))[0];
    const cut = cutByParameters(costs);
    assert.equal(cut?.bottleneck, best?.rank[0]);
    assert.deepEqual(cut?.borders, best?.borders);
  }
});

Deno.test("the cut by memory lacks the fewest bytes, and none where a cut by time exists", () => {
  const random = new Random(13);
  for (let trial = 0; trial < 200; trial++) {
    const instance = randomInstance(random);
    const { positions, chain, workload } = instance;
    const costs = new StageCosts(new RangeTable(workload, positions), chain, instance.terms);
    const lacks = [...allPartitions(chain.nodes.length, positions.length)].map((borders) =>
      borders.slice(1).reduce(
        (sum, to, s) => sum + judge(instance, s, positions[borders[s]!]!, positions[to]!).lack,
        0,
      )
    );
    const best = Math.min(Infinity, ...lacks);
    const partition = cutByMemory(costs);
    assert.equal(partition?.cost ?? Infinity, best);
    assert.equal(cutByTime(costs) !== undefined, best === 0);
  }
});

Deno.test("a forecast agrees with the costs by which the cut was made", () => {
  const random = new Random(14);
  for (let trial = 0; trial < 100; trial++) {
    const instance = randomInstance(random);
    const { positions, chain, workload, terms } = instance;
    const costs = new StageCosts(new RangeTable(workload, positions), chain, terms);
    for (let stage = 0; stage < chain.nodes.length; stage++) {
      for (let to = 1; to < positions.length; to++) {
        const time = costs.time(stage, 0, to);
        const forecast = costs.forecast(stage, 0, to);
        const fits = forecast.memory.total <= chain.nodes[stage]!.ram_bytes;
        if (costs.table.trained(0, to) > 0) assert.equal(fits, time !== Infinity);
        if (time === Infinity) continue;
        const sum = forecast.forward_ms + forecast.backward_ms + forecast.traffic_ms;
        assert.ok(Math.abs(sum - time) <= 1e-9 * time);
      }
    }
  }
});

Deno.test("of many positions the same bottleneck is found as without a bound", () => {
  const random = new Random(16);
  for (let trial = 0; trial < 6; trial++) {
    const workload = randomWorkload(random, 150 + random.integer(60));
    const table = new RangeTable(workload, cutPositions(workload));
    assert.ok(table.positions.length > 96);
    const nodes = Array.from({ length: 2 + random.integer(20) }, () => ({
      speed: 0.5 + random.uniform(),
      ram_bytes: random.integer(2) === 0 ? 1e9 : 300_000,
    }));
    const costs = new StageCosts(
      table,
      { nodes, links_mbps: nodes.slice(1).map(() => 1 + random.integer(100)) },
      { ...randomInstance(random).terms, recompute: "auto" },
    );
    const expected = minMaxCost({
      stages: nodes.length,
      positions: table.positions.length,
      cost: (stage, from, to) => costs.time(stage, from, to),
    });
    assert.equal(cutByTime(costs)?.bottleneck ?? Infinity, expected);
  }
});

Deno.test("2,000 operators in 32 stages: the cut is found, and no stage can be relieved", () => {
  const random = new Random(15);
  const workload = randomWorkload(random, 2000);
  const table = new RangeTable(workload, cutPositions(workload));
  const nodes = Array.from({ length: 32 }, () => ({ speed: 1, ram_bytes: 1e12 }));
  const chain = { nodes, links_mbps: nodes.slice(1).map(() => 1000) };
  const costs = new StageCosts(table, chain, {
    schedule: "async",
    in_flight: 32,
    micro_batches: 1,
    optimizer_slots: 2,
    recompute: "auto",
  });
  const cut = cutByTime(costs);
  assert.ok(cut !== undefined);
  const times = cut.borders.slice(1).map((to, s) => costs.time(s, cut.borders[s]!, to));
  assert.ok(Math.abs(Math.max(...times) - cut.bottleneck) <= 1e-6 * cut.bottleneck);
  const total = table.forward(0, table.positions.length - 1) +
    table.backward(0, table.positions.length - 1);
  assert.ok(cut.bottleneck >= total / 32);
  assert.ok(cut.bottleneck <= 1.5 * total / 32);
});
