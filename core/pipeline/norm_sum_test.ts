import assert from "node:assert/strict";
import { Random } from "../random.ts";
import { NormSum } from "./norm_sum.ts";
import type { NormMessage } from "./norm_sum.ts";

const UPDATES = 5;

/** Stages of which each reads from the one before it, and from some earlier ones. */
function linksOf(stages: number, random: Random): [from: number, to: number][] {
  const links: [number, number][] = [];
  for (let to = 1; to < stages; to++) {
    const needed = random.integer(to);
    for (let from = 0; from < to; from++) {
      if (from === needed || random.uniform() < 0.4) links.push([from, to]);
    }
  }
  return links;
}

Deno.test("all stages learn the sum over all, however messages are timed", () => {
  for (let seed = 0; seed < 200; seed++) {
    const random = new Random(seed);
    const count = 1 + seed % 7;
    const links = linksOf(count, random);
    const stages = Array.from({ length: count }, (_, stage) =>
      new NormSum({
        producers: links.filter(([, to]) => to === stage).map(([from]) => from),
        consumers: links.filter(([from]) => from === stage).map(([, to]) => to),
      }));
    // Links keep the order of their messages; which link goes next is drawn.
    const sent = new Map<string, { from: number; message: NormMessage }[]>();
    const send = (from: number, messages: readonly NormMessage[]) => {
      for (const message of messages) {
        const key = `${from} ${message.to}`;
        sent.set(key, [...(sent.get(key) ?? []), { from, message }]);
      }
    };
    for (let update = 0; update < UPDATES; update++) {
      const waiting = stages.map((_, stage) => stage);
      const made = new Set<number>();
      while (made.size < count) {
        const full = [...sent].filter(([, queue]) => queue.length > 0);
        const next = random.integer(waiting.length + full.length);
        if (next < waiting.length) {
          const [stage] = waiting.splice(next, 1);
          send(stage!, stages[stage!]!.contribute(update, (stage! + 1) * (update + 1)));
        } else {
          const { from, message } = full[next - waiting.length]![1].shift()!;
          send(message.to, stages[message.to]!.arrived(from, message.update, message.squares));
        }
        stages.forEach((stage, i) => {
          const total = stage.total(update);
          if (total === undefined || made.has(i)) return;
          assert.equal(total, (update + 1) * count * (count + 1) / 2, `seed ${seed}`);
          stage.made(update);
          made.add(i);
        });
      }
    }
  }
});

Deno.test("messages that are doubled, misplaced or of another update are told", () => {
  const first = new NormSum({ producers: [], consumers: [1] });
  first.arrived(1, 0, 2);
  assert.throws(() => first.arrived(1, 0, 2), /told update 0 twice/);
  assert.throws(() => first.arrived(2, 0, 2), /stage 2 sends no norms here/);
  assert.throws(() => first.contribute(1, 2), /update 1 came where 0 was expected/);
  assert.equal(first.total(0), undefined);
  first.contribute(0, 3);
  assert.equal(first.total(0), 5);
  assert.throws(() => first.contribute(0, 3), /told twice/);
});
