/** `--trace` and `ravn trace` on real processes. */
import assert from "node:assert/strict";
import { chromeEvents } from "../core/run/trace_chrome.ts";
import type { ChromeEvent } from "../core/run/trace_chrome.ts";
import { alignClocks, crossingsOf } from "../core/run/trace_clocks.ts";
import type { NodeTrace, TracedMessage } from "../core/run/trace_events.ts";
import type { TraceReport } from "../core/run/trace_requests.ts";
import { assertOneLine } from "./assertions.ts";
import { Project } from "./project.ts";

const EPOCHS = 2;
/** Batches of the digits' 1,078 samples, 64 each. */
const BATCHES = 17;
/** Times are written to a tenth of a µs. */
const ROUNDING_US = 0.05;

/**
 * Every track holds slices of which none begins before the last one has ended, and both ends of
 * every arrow lie in a slice, the second end not before the first.
 */
function assertWellFormed(events: readonly ChromeEvent[], within_us: number): void {
  const track = ({ pid, tid }: ChromeEvent) => `${pid} ${tid}`;
  const slices = events.filter(({ ph }) => ph === "X");
  const tracks = Map.groupBy(slices, track);
  for (const [name, own] of tracks) {
    let end = -Infinity;
    for (const { ts, dur } of own) {
      assert.ok(ts! >= end - ROUNDING_US, `track ${name}: a slice begins before ${end}, at ${ts}`);
      assert.ok(dur! > 0);
      end = ts! + dur!;
    }
  }
  const named = new Set(events.filter(({ name }) => name === "thread_name").map(track));
  assert.deepEqual(new Set(tracks.keys()), named, "every track has a name");
  const arrows = Map.groupBy(events.filter(({ ph }) => ph === "s" || ph === "f"), ({ id }) => id);
  assert.ok(arrows.size > 0);
  for (const [id, ends] of arrows) {
    assert.deepEqual(ends.map(({ ph }) => ph), ["s", "f"]);
    for (const end of ends) {
      const own = tracks.get(track(end)) ?? [];
      const around = own.some(({ ts, dur }) => ts! <= end.ts! && end.ts! <= ts! + dur!);
      assert.ok(around, `an end of arrow ${id} lies in no slice`);
    }
    const [from, to] = ends;
    assert.notEqual(from!.pid, to!.pid);
    assert.ok(to!.ts! >= from!.ts! - 2 * within_us - ROUNDING_US, `arrow ${id} goes back in time`);
  }
}

async function joined(project: Project, words: readonly string[] = []): Promise<TraceReport> {
  return JSON.parse(await project.succeed("trace", ...words, "--json")) as TraceReport;
}

Deno.test("three providers: who did what when, joined into one file", async () => {
  await using project = await Project.make(
    { configuration: { epochs: EPOCHS, clip: { norm: 1 }, schedule: "1f1b", micro_batches: 2 } },
    (project) => project.succeed("clusterize", "--split", "params"),
  );
  const missing = await project.run("trace");
  assert.equal(missing.code, 2);
  assert.match(assertOneLine(missing), /trace_\*\.jsonl.*ravn train --trace/);
  await project.succeed("train", "--trace");
  const { stages, links, traces } = await joined(project, [".", "--out", "all.json"]);
  assert.equal(traces.length, 3);
  assert.deepEqual(stages.map(({ node, stage }) => [node, stage]), [
    ["node_0", 0],
    ["node_1", 1],
    ["node_2", 2],
  ]);
  const parts = 2 * BATCHES * EPOCHS;
  const updates = BATCHES * EPOCHS;
  const counts = stages.map(({ works }) =>
    Object.fromEntries(Object.entries(works).map(([kind, { count }]) => [kind, count]))
  );
  const common = { norm: updates, update: updates, validate: 12 * (EPOCHS + 1) };
  assert.deepEqual(counts, [
    { forward: parts, backward: parts, ...common },
    { forward: parts, backward: parts, ...common },
    { step: parts, ...common },
  ]);
  for (const { busy_us, span_us, bubble, waits, clock_within_us } of stages) {
    const waited = Object.values(waits).reduce((sum, { us }) => sum + us, 0);
    assert.ok(Math.abs(span_us - busy_us - waited) < 1, "busy and waiting are all there is");
    assert.ok(bubble > 0 && bubble < 1);
    assert.ok(clock_within_us !== undefined && clock_within_us < 1e6);
  }
  const forward = links.find(({ from, to, kind }) =>
    `${from} ${to} ${kind}` === "node_0 node_1 forward"
  );
  assert.equal(forward?.messages, parts);
  assert.ok(forward!.bytes > 0);
  const events = JSON.parse(await project.read("all.json")) as ChromeEvent[];
  assertWellFormed(events, Math.max(...stages.map(({ clock_within_us }) => clock_within_us!)));
  const messages = links.reduce((sum, { messages }) => sum + messages, 0);
  assert.equal(events.filter(({ ph }) => ph === "s").length, messages);
});

Deno.test("two clusters: rounds of averaging, and one time for all", async () => {
  const averaging = { reduce_every: 4, reduce_delay: 0 };
  const configuration = { epochs: 1, ...averaging, schedule: "zb", micro_batches: 2 };
  await using project = await Project.make(
    { nodes: 4, configuration },
    (project) => project.succeed("clusterize", "--clusters", "0,1;2,3", "--split", "params"),
  );
  await project.succeed("train", "--trace");
  const { stages, links } = await joined(project);
  assert.deepEqual(stages.map(({ cluster }) => cluster), [0, 0, 1, 1]);
  // 9 batches of its half of the samples: averages after updates 4, 8 and 9.
  for (const { works, waits, clock_within_us } of stages) {
    assert.deepEqual([works["reduce"]!.count, works["adopt"]!.count], [3, 3]);
    assert.ok(works["weights"]!.count > 0, "gradients of weights are put off");
    assert.ok((waits.average?.us ?? 0) >= 0 && clock_within_us !== undefined);
  }
  assert.ok(links.some(({ from, to, kind }) => `${from} ${to} ${kind}` === "node_2 node_0 reduce"));
  const events = JSON.parse(await project.read("trace.json")) as ChromeEvent[];
  assertWellFormed(events, Math.max(...stages.map(({ clock_within_us }) => clock_within_us!)));
  const rounds = events.filter(({ name }) => name === "average of update 3");
  assert.equal(rounds.length, 4);
});

Deno.test("a node that is killed leaves what it did; so does an unsplit run", async () => {
  const configuration = { epochs: 100_000, save: false };
  await using project = await Project.make(
    { configuration, nodes: 2 },
    (project) => project.succeed("clusterize", "--split", "params"),
  );
  const providers = [0, 1].map((node) => project.provide(node, ["--trace", "--json"]));
  await providers[1]!.update(300);
  providers[0]!.kill("SIGKILL");
  assert.equal((await providers[1]!.ended).code, 1);
  const { stages, file } = await joined(project);
  assert.equal(file, "trace.json");
  assert.ok(stages[0]!.works["forward"]!.count > 0);
  assert.ok(stages[1]!.works["update"]!.count >= 300);
  await project.succeed("train", "--single", "--trace", "--set", "epochs=1", "--force");
  const both = await project.run("trace");
  assert.equal(both.code, 2);
  assert.match(assertOneLine(both), /different runs.*delete the older/);
});

Deno.test("a line of a trace file that is none is named", async () => {
  await using project = await Project.make();
  await project.write("trace_node_0.jsonl", "{}\n");
  const ending = await project.run("trace");
  assert.equal(ending.code, 2);
  assert.match(assertOneLine(ending), /trace_node_0\.jsonl:1: .*ravn train --trace/);
});

Deno.test("messages that overlap lie on tracks beside each other", () => {
  const trace = (stage: number, messages: TracedMessage[]): NodeTrace => {
    const node = `node_${stage}`;
    const head = { trace: 1, node, cluster: 0, stage, stages: 2, origin_ms: 0 } as const;
    return { file: "", head, works: [], messages };
  };
  const message = (type: "sent" | "came", of: number, begin: number, end: number) => {
    const peer = type === "sent" ? "node_1" : "node_0";
    return { type, kind: "forward", peer, of, bytes: 1, begin, end } as const;
  };
  const traces = [
    trace(0, [message("sent", 1, 5, 6), message("sent", 0, 1, 9), message("sent", 2, 9, 9)]),
    trace(1, [message("came", 0, 8, 9), message("came", 1, 9, 9), message("came", 2, 12, 14)]),
  ];
  const crossings = crossingsOf(traces);
  const events = [...chromeEvents(traces, alignClocks(traces, crossings), crossings)];
  assertWellFormed(events, 0);
  const tids = events.filter(({ ph, pid }) => ph === "X" && pid === 1).map(({ tid }) => tid);
  assert.equal(new Set(tids).size, 2);
});
