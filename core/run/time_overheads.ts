import process from "node:process";
import { GraphBuilder, tensor, traceFacts } from "../onnx/mod.ts";
import type { Overheads } from "../planning/mod.ts";
import type { Runtime } from "../runtime/mod.ts";
import { buildPrograms } from "../training/mod.ts";
import type { OptimizerConfig, StageProgram } from "../training/mod.ts";
import { parseEvent } from "./events.ts";
import type { RunEvent } from "./events.ts";
import { openLoopback } from "./loopback.ts";
import { Echo } from "./link_echo.ts";
import { linesOf } from "./provider_process.ts";
import { idle, timeTraining } from "./time_training.ts";

/** Updates of the smallest network, of which the median counts. */
const UPDATES = 60;
/** Numbers in the network with which an update is timed, and how often. */
const UPDATED = 2 ** 20;
const LARGE_UPDATES = 5;
/** Messages there and back that count, and those before them. */
const ROUND_TRIPS = 60;
const WARM_UP = 20;
/** Reports that are read, of which the second half counts. */
const REPORTS = 40;
/** Bytes of a small and of a large message. */
const SMALL_BYTES = 256;
const LARGE_BYTES = 2 ** 20;
/** Large messages there and back. */
const LARGE_ROUND_TRIPS = 8;

/**
 * Time in which nothing is done before what is measured, where it is so in training, too: a process
 * that was asleep takes several times as long for the same, since others had its caches.
 */
const IDLE_MS = 1;
/** Micro-batches and round trips of that kind that count. */
const AWOKEN = 20;

/** What does not depend on the model. */
export type MachineOverheads = Omit<Overheads, "cores_used" | "contention">;

/**
 * Measures what a micro-batch, a message and an update cost on this machine, whatever the model:
 * networks of one product are trained, and messages are sent to this process itself.
 */
export async function timeOverheads(
  runtime: Runtime,
  optimizer: OptimizerConfig,
): Promise<MachineOverheads> {
  const trained = async (width: number, updates: number, idle_ms: number) => {
    const program = await productProgram(runtime, width);
    return await timeTraining({ runtime, program, optimizer, updates, idle_ms });
  };
  const { step_ms, update_ms } = await trained(1, UPDATES, 0);
  const awoken = await trained(1, AWOKEN, IDLE_MS);
  const updated = await trained(UPDATED, LARGE_UPDATES, 0);
  return {
    micro_batch_ms: step_ms + update_ms,
    wake_ms: Math.max(0, awoken.core_ms - step_ms - update_ms),
    update_million_ms: updated.update_ms * 1e6 / UPDATED,
    report_ms: await timeReports(),
    ...await timeMessages(),
  };
}

/** Processor time of reading what a provider tells about an update. */
async function timeReports(): Promise<number> {
  const told: RunEvent = {
    event: "update",
    update: 1,
    epoch: 1,
    loss: 0.123456789,
    samples: 64,
    samples_per_s: 12345.6,
    lr: 0.001,
  };
  const line = new TextEncoder().encode(`${JSON.stringify(told)}\n`);
  let left = REPORTS;
  let used = process.cpuUsage();
  const output = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull: async (controller) => {
      if (left-- === 0) return controller.close();
      await idle(IDLE_MS);
      controller.enqueue(line);
    },
  });
  for await (const text of linesOf(output)) {
    parseEvent(text);
    if (left === REPORTS >> 1) used = process.cpuUsage();
  }
  const { user, system } = process.cpuUsage(used);
  return (user + system) / 1000 / (REPORTS >> 1);
}

type MessageOverheads = Pick<MachineOverheads, "message_ms" | "message_mib_ms" | "local">;

async function timeMessages(): Promise<MessageOverheads> {
  await using ends = await openLoopback("calibration");
  new Echo(ends.inward);
  const echo = new Echo(ends.outward);
  await timeTrips(echo, WARM_UP, SMALL_BYTES);
  const small = await timeTrips(echo, ROUND_TRIPS, SMALL_BYTES);
  const awoken = await timeTrips(echo, AWOKEN, SMALL_BYTES, IDLE_MS);
  await timeTrips(echo, 1, LARGE_BYTES);
  const large = await timeTrips(echo, LARGE_ROUND_TRIPS, LARGE_BYTES);
  return {
    // A round trip is two messages, each of which is sent and received. Two processes would be
    // woken once each; this one is woken once, by the clock, and finds its caches cold.
    message_ms: awoken.core_ms / 4,
    message_mib_ms: Math.max(0, large.core_ms - small.core_ms) / 4,
    local: {
      bandwidth_mbps: rateOf(LARGE_BYTES, Math.max(0, large.trip_ms - small.trip_ms) / 2),
      latency_ms: small.trip_ms / 2,
    },
  };
}

/** Mbit/s (10⁶ bits) of so many bytes in so many milliseconds. */
function rateOf(bytes: number, ms: number): number {
  return bytes * 8 / 1000 / Math.max(ms, 0.001);
}

/** Median time of a way there and back, and processor time of one on average, ms. */
async function timeTrips(
  echo: Echo,
  count: number,
  bytes: number,
  idle_ms = 0,
): Promise<{ readonly trip_ms: number; readonly core_ms: number }> {
  const used = process.cpuUsage();
  const trips: number[] = [];
  for (let i = 0; i < count; i++) {
    if (idle_ms > 0) await idle(idle_ms);
    trips.push(await echo.roundTrip(bytes, bytes));
  }
  const { user, system } = process.cpuUsage(used);
  trips.sort((a, b) => a - b);
  return { trip_ms: trips[count >> 1]!, core_ms: (user + system) / 1000 / count };
}

/** L = mean((x·w − y)²) for a sample of one number and a row w of `width` numbers. */
async function productProgram(runtime: Runtime, width: number): Promise<StageProgram> {
  const builder = new GraphBuilder("product");
  const x = builder.input("x", "float32", ["batch", 1]);
  const w = builder.initializer("w", tensor("float32", [1, width], new Float32Array(width)));
  builder.output(builder.node("MatMul", [x, w]), "float32", ["batch", width]);
  const graph = builder.build();
  const [program] = buildPrograms({
    graph,
    facts: await traceFacts(graph, runtime.evaluate, { batch: 2 }),
    stages: [graph.nodes.map(({ name }) => name)],
    recompute: [false],
    batch: 1,
    loss: { type: "mse" },
    labels: { dtype: "float32", dims: [{ perSample: 1 }, width] },
    labelsFrom: "root",
    maskAs: "input",
    threads: runtime.threads,
  });
  return program!;
}
