import type { PlanStage } from "./plan_schema.ts";
import type { Workload } from "./workload.ts";

/** What a stage receives and sends. */
export type Deliveries = Pick<PlanStage, "receives" | "sends">;

/**
 * What crosses the borders of the stages: every value goes from the stage that makes it directly to
 * each stage that reads it. Model inputs are read by stage 0, which passes on what later ones need.
 *
 * @param begins index of the first operator of each stage, and the number of operators
 */
export function deliveriesOf(workload: Workload, begins: readonly number[]): Deliveries[] {
  const stageOf = (operator: number) => begins.findLastIndex((begin) => begin <= operator);
  const deliveries = begins.slice(1).map((): Deliveries => ({ receives: [], sends: [] }));
  for (const { name, producer, readers, bytes, gradient } of workload.values.values()) {
    if (readers.length === 0) continue;
    const maker = producer < 0 ? 0 : stageOf(producer);
    const common = { value: name, bytes_per_sample: bytes / workload.batch, gradient };
    if (producer < 0) deliveries[0]!.receives.push({ ...common, from: "data" });
    const to = [...new Set(readers.map(stageOf))].filter((stage) => stage !== maker);
    for (const stage of to) deliveries[stage]!.receives.push({ ...common, from: maker });
    if (to.length > 0) deliveries[maker]!.sends.push({ ...common, to });
  }
  return deliveries;
}

/** Bytes that a stage sends for one micro-batch: a copy to each reader, and gradients back. */
export function bytesSent({ receives, sends }: Deliveries, batch: number): number {
  let perSample = 0;
  for (const { to, bytes_per_sample } of sends) perSample += to.length * bytes_per_sample;
  for (const { from, gradient, bytes_per_sample } of receives) {
    if (from !== "data" && gradient) perSample += bytes_per_sample;
  }
  return Math.round(perSample * batch);
}
