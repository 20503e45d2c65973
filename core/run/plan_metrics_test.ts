import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import type { RunEvent, RunHost } from "./events.ts";
import { METRICS_FILES, MetricsFiles } from "./metrics_files.ts";
import { NodeData } from "./node_data.ts";
import { PlanMetrics } from "./plan_metrics.ts";
import { recordedHost } from "./recorded_host.ts";

const BEGIN: RunEvent = { event: "begin", epochs: 1, updates: 1, batch_size: 1, samples: 1 };

function hostOf(told: RunEvent[]): RunHost {
  return { emit: (event) => void told.push(event), signal: null!, command: [] };
}

function warning(message: string): RunEvent {
  return { event: "warning", message };
}

async function inFolder(step: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "ravn-metrics-" });
  try {
    await step(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function linesOf(file: string): Promise<string[]> {
  return (await Deno.readTextFile(file)).trimEnd().split("\n");
}

Deno.test("what was told before there is a file comes first, and what is not kept is told", () =>
  inFolder(async (folder) => {
    const told: RunEvent[] = [];
    const host = recordedHost(hostOf(told));
    const log: RunEvent = { event: "log", message: "of the moment" };
    const events = [warning("early"), log, BEGIN, warning("late")];
    for (const event of events.slice(0, 2)) host.emit(event);
    await Deno.writeTextFile(join(folder, METRICS_FILES.events), "an earlier run's\n");
    {
      await using files = await MetricsFiles.create(folder, ["events"]);
      host.keepIn(files);
      for (const event of events.slice(2)) host.emit(event);
    }
    assert.deepEqual(told, events);
    const kept = await linesOf(join(folder, METRICS_FILES.events));
    assert.deepEqual(kept.map((line) => JSON.parse(line)), events.filter((event) => event !== log));
    const names = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
    assert.deepEqual(names, ["metrics.1.jsonl", "metrics.jsonl"]);
  }));

Deno.test("stages' metrics join those of their cluster, and no earlier run's", () =>
  inFolder(async (home) => {
    const clusters = [["a:1", "b:1", "c:1"], ["d:1", "e:1"], ["f:1", "g:1"]].map((of, id) => ({
      id,
      stages: of.map((address) => ({ address })),
    }));
    const fileOf = (id: number, address: string) =>
      join(home, NodeData.stage(id, address), METRICS_FILES.events);
    const lasts = clusters.map(({ id }) =>
      join(id === 0 ? home : new NodeData(home).cluster(id), METRICS_FILES.events)
    );
    const write = async (file: string, text: string) => {
      await Deno.mkdir(dirname(file), { recursive: true });
      await Deno.writeTextFile(file, text);
    };
    await write(fileOf(0, "a:1"), "older\n");
    await write(lasts[2]!, "older\n");

    const metrics = await PlanMetrics.begin({ clusters }, home);
    const told: RunEvent[] = [];
    for (const id of [0, 1]) metrics.watch(id, hostOf(told)).emit(BEGIN);
    await write(lasts[0]!, "leaf\n");
    await write(lasts[1]!, "leaf\n");
    // Stage a was stopped before it made its file, and b in the middle of a line.
    await write(fileOf(0, "b:1"), "b 1\nb");
    await write(fileOf(1, "d:1"), "d 1\nd 2\n");
    await write(fileOf(2, "f:1"), "f\n");
    await metrics.join(hostOf(told));

    assert.deepEqual(told, [BEGIN, BEGIN]);
    const files = await Promise.all(lasts.map(linesOf));
    assert.deepEqual(files, [["leaf", "b 1", "b"], ["leaf", "d 1", "d 2"], ["older"]]);
  }));

Deno.test("metrics that cannot be joined are a warning", () =>
  inFolder(async (home) => {
    const plan = { clusters: [{ id: 0, stages: [{ address: "a:1" }, { address: "b:1" }] }] };
    const metrics = await PlanMetrics.begin(plan, home);
    const told: RunEvent[] = [];
    metrics.watch(0, hostOf([])).emit(BEGIN);
    const file = join(home, NodeData.stage(0, "a:1"), METRICS_FILES.events);
    await Deno.mkdir(dirname(file), { recursive: true });
    await Deno.writeTextFile(file, "a\n");
    await Deno.mkdir(join(home, METRICS_FILES.events));
    await metrics.join(hostOf(told));
    assert.equal(told.length, 1);
    assert.match(JSON.stringify(told[0]), /warning.*metrics\.jsonl lacks .*a:1/);
  }));
