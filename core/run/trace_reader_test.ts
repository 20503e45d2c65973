import assert from "node:assert/strict";
import { RavnError } from "../error.ts";
import { headOf } from "./trace_events.ts";
import { readTrace } from "./trace_reader.ts";

const HEAD = headOf({ node: "node_0", cluster: 0, stage: 0, stages: 1, origin_ms: 1 });
const STEP = line({ type: "work", work: "step", of: 0, begin: 1, end: 2 });

function line(event: Readonly<Record<string, unknown>>): string {
  return JSON.stringify(event);
}

/** The text in pieces of so many bytes, all in one and the same memory. */
async function* pieces(text: string, bytes = 1 << 16): AsyncGenerator<Uint8Array> {
  const all = new TextEncoder().encode(text);
  const memory = new Uint8Array(bytes);
  for (let at = 0; at < all.length; at += bytes) {
    const piece = all.subarray(at, at + bytes);
    memory.set(piece);
    yield memory.subarray(0, piece.length);
    memory.fill(0);
  }
}

Deno.test("a trace is the same in whatever pieces it comes, and none of them is kept", async () => {
  const message = { kind: "forward", peer: "Knoten_ä€😀", bytes: 8, begin: 0.1, end: 2 };
  const lines = Array.from(
    { length: 300 },
    (_, of) =>
      of % 3 === 0
        ? line({ type: "work", work: "step", of, begin: of, end: of + 0.5 })
        : line({ type: of % 3 === 1 ? "sent" : "came", of, ...message }),
  );
  const text = [HEAD, line({ type: "begun", run: "r" }), ...lines, ""].join("\n");
  const whole = await readTrace(pieces(text, text.length * 2), "t.jsonl");
  assert.deepEqual([whole.head.node, whole.run], ["node_0", "r"]);
  assert.deepEqual(whole.works.map(line), lines.filter((_, of) => of % 3 === 0));
  assert.deepEqual(
    whole.messages.map(({ type, of, ...rest }) => line({ type, of, ...rest })),
    lines.filter((_, of) => of % 3 !== 0),
  );
  for (const bytes of [1, 7, 1000]) {
    assert.deepEqual(await readTrace(pieces(text, bytes), "t.jsonl"), whole, `${bytes} bytes each`);
  }
});

Deno.test("a piece is asked for when the lines of the one before have been read", async () => {
  const bad = 5;
  let asked = 0;
  const encoder = new TextEncoder();
  async function* endless(): AsyncGenerator<Uint8Array> {
    yield encoder.encode(`${HEAD}\n`);
    for (;; asked++) yield encoder.encode(asked === bad ? "no\n" : `${STEP}\n`);
  }
  await assert.rejects(readTrace(endless(), "t.jsonl"), /^RavnError: t\.jsonl:7: /);
  assert.equal(asked, bad);
});

Deno.test("a line without an end is refused before it fills the memory", async () => {
  let asked = 0;
  async function* endless(): AsyncGenerator<Uint8Array> {
    for (;; asked++) yield new Uint8Array(1 << 14).fill(0x20);
  }
  await assert.rejects(readTrace(endless(), "t.jsonl"), /t\.jsonl:1: .*longer than 65536/);
  assert.ok(asked <= 4, `${asked} pieces`);
});

Deno.test("a file whose writer was killed is read up to there; others are refused", async () => {
  const killed = `${HEAD}\n${STEP}\n${STEP.slice(0, 20)}`;
  const { works, head: { node } } = await readTrace(pieces(killed), "t.jsonl");
  assert.deepEqual([node, works.length], ["node_0", 1]);
  const cases: [text: string, expected: RegExp][] = [
    ["", /^t\.jsonl:1: .*ravn train --trace/],
    [HEAD, /^t\.jsonl:1: .*ravn train --trace/],
    [`${STEP}\n`, /^t\.jsonl:1: .*trace/],
    [`${HEAD}\nno\n`, /^t\.jsonl:2: /],
    [`${HEAD}\n${STEP}\n{"type":"work"}\n`, /^t\.jsonl:3: .*work/],
    [`${HEAD.replace('"trace":1', '"trace":2')}\n`, /^t\.jsonl:1: .*trace/],
  ];
  for (const [text, expected] of cases) {
    await assert.rejects(readTrace(pieces(text), "t.jsonl"), (error) => {
      assert.ok(error instanceof RavnError);
      assert.match(error.message, expected);
      assert.ok(!error.message.includes("\n"));
      return true;
    });
  }
});
