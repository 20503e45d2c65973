import assert from "node:assert/strict";
import { alignClocks, crossingsOf } from "./trace_clocks.ts";
import type { NodeTrace, TracedMessage, TracedWork } from "./trace_events.ts";
import { summarize } from "./trace_summary.ts";
import { waitsOf } from "./trace_waits.ts";

interface Part {
  readonly stage: number;
  readonly origin_ms: number;
  readonly works?: TracedWork[];
  readonly messages?: TracedMessage[];
}

function traceOf({ stage, origin_ms, works = [], messages = [] }: Part): NodeTrace {
  const node = `node_${stage}`;
  const head = { trace: 1, node, cluster: 0, stage, stages: 2, origin_ms } as const;
  return { file: `trace_${node}.jsonl`, head, works, messages };
}

function work(name: string, of: number, begin: number, end: number): TracedWork {
  return { type: "work", work: name, of, begin, end };
}

function message(type: "sent" | "came", o: Omit<TracedMessage, "type" | "bytes">): TracedMessage {
  return { type, bytes: 8, ...o };
}

/** Two stages of which the second's clock is 700 µs ahead, though its host says that it is not. */
function pair(): NodeTrace[] {
  const to = { kind: "forward", peer: "node_1" };
  const from = { kind: "forward", peer: "node_0" };
  const first = traceOf({
    stage: 0,
    origin_ms: 1000,
    works: [
      work("forward", 0, 0, 100),
      work("forward", 1, 100, 200),
      work("backward", 0, 480, 560),
    ],
    messages: [
      message("sent", { ...to, of: 0, begin: 100, end: 104 }),
      message("sent", { ...to, of: 1, begin: 200, end: 204 }),
      message("came", { kind: "backward", peer: "node_1", of: 0, begin: 460, end: 470 }),
    ],
  });
  const second = traceOf({
    stage: 1,
    origin_ms: 1000.5,
    works: [work("step", 0, 380, 600)],
    messages: [
      message("came", { ...from, of: 0, begin: 350, end: 360 }),
      message("came", { ...from, of: 1, begin: 430, end: 440 }),
      message("sent", { kind: "backward", peer: "node_0", of: 0, begin: 600, end: 610 }),
    ],
  });
  return [first, second];
}

Deno.test("clocks are brought together by the shortest ways there and back", () => {
  const [first, second] = pair();
  const traces = [first!, second!];
  const crossings = crossingsOf(traces);
  assert.equal(crossings.length, 3);
  const shifts = alignClocks(traces, crossings);
  // There: min(350 − 100, 430 − 200) = 230, back: 460 − 600 = −140; with 500 µs between origins.
  assert.equal(shifts.get(first!)!.shift_us, 0);
  const { shift_us, within_us } = shifts.get(second!)!;
  assert.equal(shift_us, -(230 - -140) / 2);
  assert.equal(within_us, (230 + -140) / 2);
  for (const { from, to, sent, came } of crossings) {
    const delay = came.begin + shifts.get(to)!.shift_us - sent.begin - shifts.get(from)!.shift_us;
    assert.ok(delay >= 0, "nothing comes before it was sent");
  }
});

Deno.test("a clock that no message tells of counts as its host has it", () => {
  const traces = [traceOf({ stage: 0, origin_ms: 1000 }), traceOf({ stage: 1, origin_ms: 1002 })];
  const shifts = alignClocks(traces, []);
  assert.deepEqual([...shifts.values()], [{ shift_us: 0 }, { shift_us: 2000 }]);
});

Deno.test("what a stage waited for, and where its time went", () => {
  const [first, second] = pair();
  const waits = waitsOf(first!).map(({ before: _, ...wait }) => wait);
  assert.deepEqual(waits, [
    { for: "gradients", peer: "node_1", begin: 200, end: 470 },
    { for: "switching", begin: 470, end: 480 },
  ]);
  assert.deepEqual(waitsOf(second!), []);
  const traces = [first!, second!];
  const shifts = alignClocks(traces, crossingsOf(traces));
  for (const stage of summarize(traces, shifts)) {
    const waited = Object.values(stage.waits).reduce((sum, { us }) => sum + us, 0);
    assert.ok(Math.abs(stage.span_us - stage.busy_us - waited) < 1e-6, "no time is lost");
    assert.ok(Math.abs(stage.bubble - waited / stage.span_us) < 1e-9);
  }
});
