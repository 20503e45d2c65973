import { outstanding } from "../pipeline/mod.ts";
import type { ClusterWork, Limit, StageWork } from "./predict.ts";
import { transferTime } from "./transfer.ts";

/** Time that a stage computes for one micro-batch, its share of the update apart, ms. */
function microBatchTime({ forward_ms, backward_ms, overhead_ms }: StageWork): number {
  return forward_ms + backward_ms + overhead_ms;
}

/** The way of a micro-batch from stage `first` to the last and back, ms. */
function roundTrip({ stages, links }: ClusterWork, first: number): number {
  const computed = stages.slice(first).reduce((sum, stage) => sum + microBatchTime(stage), 0);
  // Skips go beside the chain: only links between neighbours are on the way.
  return links.filter(({ from, to }) => Math.min(from, to) >= first && Math.abs(from - to) === 1)
    .reduce(
      (sum, link) => sum + transferTime(link.bytes, link.bandwidth_mbps) + link.latency_ms,
      computed,
    );
}

/** What links and connections carry. */
function trafficLimits({ stages, links, micro_batches }: ClusterWork): Limit[] {
  const limits = links.map(({ from, to, bytes, bandwidth_mbps }): Limit => ({
    kind: "link",
    what: `link ${stages[from]!.node} → ${stages[to]!.node}`,
    step_ms: transferTime(bytes * micro_batches, bandwidth_mbps),
  }));
  stages.forEach(({ node, host, connection_mbps = Infinity }, stage) => {
    const remote = links.filter(({ from, to }) =>
      (from === stage && stages[to]!.host !== host) || (to === stage && stages[from]!.host !== host)
    );
    const sum = (isOut: boolean) =>
      remote.filter(({ from }) => (from === stage) === isOut)
        .reduce((bytes, link) => bytes + link.bytes * micro_batches, 0);
    const bytes = Math.max(sum(true), sum(false));
    limits.push({
      kind: "link",
      what: `connection of ${node}`,
      step_ms: transferTime(bytes, connection_mbps),
    });
  });
  return limits;
}

/**
 * What so many cores take for the stages on them, ms. Stages that compute at the same time slow
 * each other down, so that one after the other could be faster: that bounds what they are slowed.
 */
function coresTime(
  here: readonly (StageWork & { readonly busy_ms: number })[],
  cores: number,
): number {
  const sum = (of: (stage: typeof here[number]) => number) =>
    here.reduce((ms, stage) => ms + of(stage), 0);
  const alone_ms = sum(({ cores_used, busy_ms }) => cores_used * busy_ms) / cores;
  if (here.length < 2) return alone_ms;
  const together_ms =
    sum(({ cores_used, busy_ms, contention = 1 }) => cores_used * busy_ms * contention) / cores;
  return Math.max(alone_ms, Math.min(together_ms, sum(({ busy_ms }) => busy_ms)));
}

/**
 * What each resource bounds a step to, the tightest first: the compute of each stage, each link one
 * way, each node's connection, the cores of each machine, and under `async`, with w_s micro-batches
 * under way behind stage s, the longest over s of (way from s to the last and back) / w_s.
 */
export function limitsOf(cluster: ClusterWork): Limit[] {
  const { stages, micro_batches, update_frequency, cores, schedule, in_flight } = cluster;
  const busy = stages.map((stage) =>
    micro_batches * microBatchTime(stage) + stage.update_ms / update_frequency
  );
  const limits: Limit[] = [
    ...stages.map(({ node }, s): Limit => (
      { kind: "compute", what: `compute of ${node}`, step_ms: busy[s]! }
    )),
    ...trafficLimits(cluster),
  ];
  for (const [host, count] of cores) {
    const here = stages.map((stage, s) => ({ ...stage, busy_ms: busy[s]! }))
      .filter((stage) => stage.host === host);
    limits.push({ kind: "cores", what: `cores of host ${host}`, step_ms: coresTime(here, count) });
  }
  if (schedule === "async") {
    const trips = stages.map((_, stage) => {
      const position = { schedule, stage, stages: stages.length, inFlight: in_flight };
      return roundTrip(cluster, stage) / outstanding(position, micro_batches);
    });
    const trip_ms = micro_batches * Math.max(...trips);
    const what = `way to the leaf and back with ${in_flight} micro-batches in flight`;
    limits.push({ kind: "round trip", what, step_ms: trip_ms });
  }
  return limits.filter(({ step_ms }) => step_ms > 0).sort((a, b) => b.step_ms - a.step_ms);
}

/**
 * A batch under a synchronous schedule by formula, ms, for pipelines too long to be followed: the
 * way of one micro-batch through all stages and back, and the slowest stage for each of the others.
 */
export function batchTime(cluster: ClusterWork): number {
  const slowest_ms = Math.max(...cluster.stages.map(microBatchTime));
  const update_ms = Math.max(...cluster.stages.map((stage) => stage.update_ms));
  return roundTrip(cluster, 0) + (cluster.micro_batches - 1) * slowest_ms +
    update_ms / cluster.update_frequency;
}
