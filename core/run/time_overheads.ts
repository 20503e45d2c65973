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
import { timeTraining } from "./time_training.ts";
import { trainMadeUp } from "./train_made_up.ts";

/** Updates of the smallest network, of which the median counts. */
const UPDATES = 60;
/** Numbers in the network with which an update is timed, and how often. */
const UPDATED = 2 ** 20;
const LARGE_UPDATES = 5;
/** Messages there and back that count, and those before them. */
const ROUND_TRIPS = 60;
const WARM_UP = 20;
/** Reports that are read, of which the second half counts, and how many come together. */
const REPORTS = 400;
const TOGETHER = 20;
/** Bytes of a small and of a large message. */
const SMALL_BYTES = 256;
const LARGE_BYTES = 2 ** 20;
/** Large messages there and back. */
const LARGE_ROUND_TRIPS = 8;

/**
 * Time in which nothing is done before a message, as where a stage waits for it: a process that was
 * asleep takes several times as long for the same, since it is woken and others had its caches.
 */
const IDLE_MS = 1;
/** Round trips of that kind. */
const AWOKEN = 60;

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
  const trained = async (width: number, updates: number) => {
    const [program] = await productPrograms(runtime, [width]);
    return await timeTraining({ runtime, program: program!, optimizer, updates });
  };
  const { step_ms, update_ms } = await trained(1, UPDATES);
  const updated = await trained(UPDATED, LARGE_UPDATES);
  const micro_batch_ms = step_ms + update_ms;
  const pair_ms = await timePair(runtime, optimizer);
  return {
    micro_batch_ms,
    update_million_ms: updated.update_ms * 1e6 / UPDATED,
    // The first stage runs forward and backward, the last one both in one; two messages have four
    // ends.
    message_ms: Math.max(0, pair_ms - 3 * micro_batch_ms) / 4,
    report_ms: await timeReports(),
    ...await timeMessages(),
  };
}

/** Median time of a micro-batch in two stages of one product each, which share this thread, ms. */
async function timePair(runtime: Runtime, optimizer: OptimizerConfig): Promise<number> {
  const [first, last] = await productPrograms(runtime, [1, 1]);
  await using ends = await openLoopback("calibration");
  const times: number[] = [];
  const updated = () => void times.push(performance.now());
  const stages = [
    { program: first!, observer: { updated }, links: new Map([[1, ends.outward]]) },
    { program: last!, observer: {}, links: new Map([[0, ends.inward]]) },
  ];
  await trainMadeUp(runtime, stages, { optimizer, updates: 2 * UPDATES });
  return median(times.slice(UPDATES).map((time_ms, i) => time_ms - times[UPDATES - 1 + i]!));
}

/** The middle one: what is compiled and cleared up in between does not count. */
function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

/**
 * Time to read what a provider tells about an update. Updates are told together, some times a
 * second.
 */
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
  const lines = new TextEncoder().encode(`${JSON.stringify(told)}\n`.repeat(TOGETHER));
  let left = REPORTS / TOGETHER;
  const output = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull: (controller) => left-- === 0 ? controller.close() : controller.enqueue(lines),
  });
  let read = 0;
  let begun_ms = performance.now();
  for await (const text of linesOf(output)) {
    parseEvent(text);
    if (++read === REPORTS >> 1) begun_ms = performance.now();
  }
  return (performance.now() - begun_ms) / (REPORTS >> 1);
}

type MessageOverheads = Pick<MachineOverheads, "message_mib_ms" | "wake_ms" | "local">;

async function timeMessages(): Promise<MessageOverheads> {
  await using ends = await openLoopback("calibration");
  new Echo(ends.inward);
  const echo = new Echo(ends.outward);
  await timeTrips(echo, WARM_UP, SMALL_BYTES);
  const small_ms = await timeTrips(echo, ROUND_TRIPS, SMALL_BYTES);
  const awoken_ms = await timeTrips(echo, AWOKEN, SMALL_BYTES, IDLE_MS);
  await timeTrips(echo, 1, LARGE_BYTES);
  const large_ms = await timeTrips(echo, LARGE_ROUND_TRIPS, LARGE_BYTES);
  // A round trip is two messages, each of which this process sends and receives.
  return {
    wake_ms: Math.max(0, awoken_ms - small_ms) / 2,
    message_mib_ms: Math.max(0, large_ms - small_ms) / 4,
    local: {
      bandwidth_mbps: rateOf(LARGE_BYTES, Math.max(0, large_ms - small_ms) / 2),
      latency_ms: small_ms / 2,
    },
  };
}

/** Mbit/s (10⁶ bits) of so many bytes in so many milliseconds. */
function rateOf(bytes: number, ms: number): number {
  return bytes * 8 / 1000 / Math.max(ms, 0.001);
}

/** Median time of a way there and back, ms. */
async function timeTrips(
  echo: Echo,
  count: number,
  bytes: number,
  idle_ms = 0,
): Promise<number> {
  const trips: number[] = [];
  for (let i = 0; i < count; i++) {
    if (idle_ms > 0) await idle(idle_ms);
    trips.push(await echo.roundTrip(bytes, bytes));
  }
  return median(trips);
}

/** Does nothing for a while. */
function idle(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** L = mean((x·w₁·w₂… − y)²) for a sample of one number and rows wᵢ; one product a stage. */
async function productPrograms(
  runtime: Runtime,
  widths: readonly number[],
): Promise<StageProgram[]> {
  const builder = new GraphBuilder("products");
  let value = builder.input("x", "float32", ["batch", 1]);
  for (const [i, width] of widths.entries()) {
    const row = tensor("float32", [1, width], new Float32Array(width));
    value = builder.node("MatMul", [value, builder.initializer(`w${i}`, row)]);
  }
  const width = widths.at(-1)!;
  builder.output(value, "float32", ["batch", width]);
  const graph = builder.build();
  return buildPrograms({
    graph,
    facts: await traceFacts(graph, runtime.evaluate, { batch: 2 }),
    stages: graph.nodes.map(({ name }) => [name]),
    recompute: widths.map(() => false),
    batch: 1,
    loss: { type: "mse" },
    labels: { dtype: "float32", dims: [{ perSample: 1 }, width] },
    labelsFrom: "root",
    maskAs: "input",
    threads: runtime.threads,
  });
}
