import { SCHEDULES } from "../../pipeline/mod.ts";
import type { RunShape, Schedule } from "../../pipeline/mod.ts";
import type { ClusterWork, LinkWork, StageWork } from "../../planning/mod.ts";
import type { Random } from "../../random.ts";
import type { SimulatedCluster, SimulationInput } from "../input.ts";

/** A stage on a machine of its own: 10 ms there, 20 ms back, half of them for the weights. */
export function stageWork(node: string, changes: Partial<StageWork> = {}): StageWork {
  return {
    node,
    host: node,
    forward_ms: 10,
    backward_ms: 20,
    weights_ms: 10,
    update_ms: 0,
    overhead_ms: 0,
    cores_used: 1,
    memory_bytes: 0,
    ram_bytes: 0,
    ...changes,
  };
}

/** Both directions of a link. */
export function bothWays(link: LinkWork): LinkWork[] {
  return [link, { ...link, from: link.to, to: link.from }];
}

/** A cluster of such nodes in a chain, over links that take next to no time. */
export function chain(
  stages: readonly StageWork[],
  changes: Partial<ClusterWork> & Pick<ClusterWork, "schedule">,
  link: Partial<LinkWork> = {},
): ClusterWork {
  return {
    batch_size: 64,
    micro_batches: changes.schedule === "async" ? 1 : 8,
    in_flight: stages.length,
    update_frequency: 1,
    stages,
    links: stages.slice(1).flatMap((_, s) =>
      bothWays({ from: s, to: s + 1, bytes: 64, bandwidth_mbps: 1000, latency_ms: 0, ...link })
    ),
    cores: new Map(),
    ...changes,
  };
}

/** All elements of a model, where it does not matter which. */
const ELEMENTS = 600;

/** A cluster whose stages hold equally much. */
export function clusterOfWork(work: ClusterWork): SimulatedCluster {
  return {
    work,
    addresses: work.stages.map(({ node }) => `${node}.test:8080`),
    elements: work.stages.map(() => ELEMENTS / work.stages.length),
  };
}

/** `updates` updates of full batches in one epoch. */
export function shapeOf(
  work: ClusterWork,
  updates: number,
  changes: Partial<RunShape> = {},
): RunShape {
  return {
    epochs: 1,
    samples: updates * work.batch_size * work.update_frequency,
    batch_size: work.batch_size,
    micro_batches: work.micro_batches,
    update_frequency: work.update_frequency,
    validation_samples: 0,
    validation_every: 0,
    ...changes,
  };
}

/** A run of the given clusters without anything that chance has a part in. */
export function inputOf(
  works: readonly ClusterWork[],
  shape: RunShape,
  changes: Partial<SimulationInput> = {},
): SimulationInput {
  return {
    clusters: works.map((work) => clusterOfWork(work)),
    shape,
    wayBetween: () => ({ bandwidth_mbps: 1000, latency_ms: 0.1 }),
    seed: 1,
    noise: 0,
    jitter: 0,
    ...changes,
  };
}

function randomShape(random: Random, schedule: Schedule, clusters: number): RunShape {
  const batch_size = 1 + random.integer(9);
  return {
    epochs: 1 + random.integer(3),
    samples: 1 + random.integer(40),
    batch_size,
    micro_batches: 1 + random.integer(schedule === "async" ? 3 : 5),
    update_frequency: 1 + random.integer(3),
    validation_samples: random.integer(3) * 7,
    validation_every: random.integer(4),
    ...(clusters > 1 && random.integer(5) > 0
      ? { reduce_every: random.integer(4), reduce_delay: random.integer(3) }
      : {}),
  };
}

function randomWork(
  random: Random,
  name: string,
  { schedule, shape }: { readonly schedule: Schedule; readonly shape: RunShape },
): ClusterWork {
  const count = 1 + random.integer(6);
  const stages = Array.from({ length: count }, (_, s) =>
    stageWork(`${name}${s}`, {
      forward_ms: random.integer(20),
      backward_ms: 10 + random.integer(20),
      update_ms: random.integer(5),
    }));
  const link = (from: number, to: number) => ({
    from,
    to,
    bytes: random.integer(1000),
    bandwidth_mbps: 1 + random.integer(3),
    latency_ms: random.integer(40),
  });
  const links = stages.slice(1).flatMap((_, s) => bothWays(link(s, s + 1)));
  for (let to = 2; to < count; to++) {
    // A skip from any stage that is no neighbour.
    if (random.integer(3) === 0) links.push(...bothWays(link(random.integer(to - 1), to)));
  }
  return {
    schedule,
    batch_size: shape.batch_size,
    micro_batches: shape.micro_batches,
    in_flight: 1 + random.integer(8),
    update_frequency: shape.update_frequency,
    stages,
    links,
    cores: new Map(),
  };
}

/**
 * Any number of clusters up to 4, each cut in its own way, with skips, uneven nodes and links; any
 * schedule, batches that are not full, validations, averages that are waited for or not. Delays
 * vary by more than a stage takes.
 *
 * @param delays seed of the delays alone
 */
export function randomRun(random: Random, delays: number): SimulationInput {
  const schedule = SCHEDULES[random.integer(SCHEDULES.length)]!;
  const count = 1 + random.integer(4);
  const shape = randomShape(random, schedule, count);
  const total = 30 + random.integer(50);
  return {
    clusters: Array.from({ length: count }, (_, c) => {
      const work = randomWork(random, "abcd"[c]!, { schedule, shape });
      return { ...clusterOfWork(work), elements: parted(random, total, work.stages.length) };
    }),
    shape,
    wayBetween: (from, to) => ({ bandwidth_mbps: 1 + from.stage, latency_ms: 3 * to.stage }),
    seed: delays,
    noise: 0.5,
    jitter: 3,
    norms: schedule !== "async" && random.integer(2) === 0,
  };
}

/** `total` in so many parts of at least 1. */
function parted(random: Random, total: number, parts: number): number[] {
  const borders = Array.from({ length: total - 1 }, (_, i) => i + 1);
  random.shuffle(borders);
  const chosen = [0, ...borders.slice(0, parts - 1).sort((a, b) => a - b), total];
  return chosen.slice(1).map((border, i) => border - chosen[i]!);
}
