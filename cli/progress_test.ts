import assert from "node:assert/strict";
import type { RunEvent } from "../core/run/events.ts";
import { MemoryStream } from "./testing.ts";
import { Terminal } from "./output.ts";
import { Progress } from "./progress.ts";

const BEGIN: RunEvent = {
  event: "begin",
  epochs: 2,
  updates: 34,
  batch_size: 64,
  samples: 1078,
};

function update(number: number): RunEvent {
  return {
    event: "update",
    update: number,
    epoch: Math.ceil(number / 17),
    loss: 0.0912,
    samples: 64,
    samples_per_s: 1234.5,
    lr: 0.001,
  };
}

const VALIDATION: RunEvent = {
  event: "validation",
  epoch: 1,
  update: 17,
  accuracy: 95.132,
  loss: 0.01,
  samples: 719,
};

/** A progress over memory, with a clock that the test moves. */
function open(options: { json?: boolean; terminal?: boolean; width?: number } = {}) {
  const out = new MemoryStream(options.terminal ?? false, options.width ?? 100);
  const err = new MemoryStream();
  const clock = { now_ms: 0 };
  const terminal = new Terminal(out, err, { json: options.json ?? false });
  return { out, err, clock, progress: new Progress(terminal, () => clock.now_ms) };
}

Deno.test("with --json every event is a line", () => {
  const { out, progress } = open({ json: true });
  const events = [BEGIN, update(1), update(2), VALIDATION];
  for (const event of events) progress.accept(event);
  const lines = out.text.trimEnd().split("\n").map((line) => JSON.parse(line) as RunEvent);
  assert.deepEqual(lines, events);
});

Deno.test("in a log: the first update, one every five seconds, and every validation", () => {
  const { out, clock, progress } = open();
  progress.accept(BEGIN);
  for (let number = 1; number <= 17; number++) {
    clock.now_ms += 1000;
    progress.accept(update(number));
  }
  progress.accept(VALIDATION);
  progress.accept({ event: "end", updates: 34, wall_s: 34, steps_per_s: 1 });
  assert.deepEqual(out.text.trimEnd().split("\n"), [
    "training: 2 epochs of 1,078 samples, batch size 64, 34 updates",
    "epoch 1/2  step 1/34  loss 0.0912  1,235 samples/s  ETA 0:33",
    "epoch 1/2  step 6/34  loss 0.0912  1,235 samples/s  ETA 0:28",
    "epoch 1/2  step 11/34  loss 0.0912  1,235 samples/s  ETA 0:23",
    "epoch 1/2  step 16/34  loss 0.0912  1,235 samples/s  ETA 0:18",
    "epoch 1/2  step 17/34  validation: accuracy 95.13 %  loss 0.0100  (719 samples)",
    "done: 34 updates in 0:34 (1.0 steps/s)",
  ]);
});

Deno.test("on a terminal: one line redrawn, at most ten times a second, no wider than it", () => {
  const { out, clock, progress } = open({ terminal: true, width: 100 });
  progress.accept(BEGIN);
  for (let number = 1; number <= 34; number++) {
    clock.now_ms += 10;
    progress.accept(update(number));
    if (number === 17) progress.accept(VALIDATION);
  }
  const drawn = out.text.split("\r\x1b[K").slice(1);
  assert.equal(drawn.length, 4);
  for (const line of drawn) assert.ok(line.length < 100, line);
  assert.match(drawn.at(-1)!, /^epoch 2\/2 {2}step \d+\/34 █+░+ loss 0\.0912 {2}accuracy 95\.1 %/);
  progress.accept({ event: "end", updates: 34, wall_s: 0.34, steps_per_s: 100 });
  assert.match(out.text, /step 34\/34 █+ loss .* ETA 0:00\ndone: 34 updates/);
});

Deno.test("a narrow terminal keeps to one line", () => {
  const { out, progress } = open({ terminal: true, width: 30 });
  progress.accept(BEGIN);
  progress.accept(update(1));
  assert.equal(out.text.split("\r\x1b[K")[1]!.length, 29);
});

Deno.test("a run without classes shows its loss only", () => {
  const { out, progress } = open();
  progress.accept({ event: "validation", epoch: 1, update: 17, loss: 0.5, samples: 10 });
  assert.equal(out.text, "epoch 1/?  step 17/?  validation: loss 0.5000  (10 samples)\n");
});

Deno.test("waiting is said at first and then now and then", () => {
  const { out, err, progress } = open();
  for (let attempt = 1; attempt <= 12; attempt++) {
    progress.accept({
      event: "waiting",
      node: "node_0",
      peer: "node_1",
      address: "127.0.0.1:8081",
      attempt,
    });
  }
  assert.equal(out.text.split("\n").length - 1, 2);
  assert.match(out.text, /^node_0: waiting for node_1 at 127\.0\.0\.1:8081 \(attempt 1\)\n/);
  progress.accept({ event: "warning", message: "careful" });
  assert.equal(err.text, "ravn: warning: careful\n");
});

Deno.test("averages are told at the end, with what all nodes sent", () => {
  const { out, progress } = open();
  const one = { event: "average", update: 5, ms: 30, waited_ms: 10 } as const;
  progress.accept({ ...one, node: "node_0", bytes_sent: 512, bytes_raw: 2048 });
  progress.accept({ ...one, node: "node_1", bytes_sent: 512, bytes_raw: 2048 });
  const averaging = { averages: 1, ms: 30, waited_ms: 10, bytes_sent: 512, bytes_raw: 2048 };
  progress.accept({ event: "end", updates: 5, wall_s: 5, steps_per_s: 1, averaging });
  assert.deepEqual(out.text.trimEnd().split("\n"), [
    "done: 5 updates in 0:05 (1.0 steps/s)",
    "averaged once, 30.0 ms each, of which 10.0 ms waiting; 2 nodes sent 1.0 KiB in place of " +
    "4.0 KiB",
  ]);
});

Deno.test("the other events are a line each", () => {
  const { out, progress } = open();
  progress.accept({
    event: "ready",
    node: "node_2",
    stage: 2,
    stages: 3,
    threads: 1,
    device: "cpu",
  });
  progress.accept({ event: "saved", node: "node_2", file: "stage.safetensors" });
  progress.accept({
    event: "lost",
    node: "node_2",
    peer: "node_1",
    address: "10.0.0.2:8081",
    expected: "micro-batch 7",
  });
  progress.accept({ event: "log", message: "note" });
  assert.deepEqual(out.text.trimEnd().split("\n"), [
    "node_2: ready, stage 3 of 3, 1 thread on cpu",
    "node_2: saved stage.safetensors",
    "node_2: lost node_1 at 10.0.0.2:8081; expected micro-batch 7",
    "note",
  ]);
});
