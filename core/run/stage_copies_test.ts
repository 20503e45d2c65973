import assert from "node:assert/strict";
import { Calendar, operations, SCHEDULES, StageMachine } from "../pipeline/mod.ts";
import type { Operation, Schedule } from "../pipeline/mod.ts";
import { Random } from "../random.ts";
import { copiesNeeded } from "./stage_copies.ts";

/** Copies of a value: the micro-batch whose value each of them holds. */
class Ring {
  readonly #held: (number | undefined)[];
  readonly #what: string;

  constructor(copies: number, what: string) {
    this.#held = new Array<number | undefined>(copies).fill(undefined);
    this.#what = what;
  }

  write(m: number): void {
    const at = m % this.#held.length;
    assert.equal(this.#held[at], undefined, `${this.#what} ${this.#held[at]} is needed yet`);
    this.#held[at] = m;
  }

  /** The value of micro-batch `m` is no longer needed. */
  free(m: number): void {
    const at = m % this.#held.length;
    assert.equal(this.#held[at], m, `${this.#what} ${m} is not there`);
    this.#held[at] = undefined;
  }
}

interface Setting {
  readonly schedule: Schedule;
  readonly stages: number;
  readonly inFlight: number;
  readonly calendar: Calendar;
}

/** A stage of a chain in which stage 0 sends to all others. It holds only what is in its rings. */
class Stage {
  readonly machine: StageMachine;
  readonly #rings: { readonly ring: Ring; readonly from: string; readonly until: string }[];

  constructor(readonly stage: number, { calendar, ...o }: Setting) {
    const position = { ...o, stage };
    const producers = stage === 0 ? [] : [...new Set([0, stage - 1])];
    const after = Array.from({ length: o.stages }, (_, i) => i).slice(stage + 1);
    const consumers = stage === 0 ? after : after.slice(0, 1);
    this.machine = new StageMachine(operations(position, calendar), { producers, consumers });
    const { micro_batches } = calendar.shape;
    const { inFlight, outstanding, deferred } = copiesNeeded(position, micro_batches);
    const begin = stage === o.stages - 1 ? "step" : "forward";
    const back = stage === o.stages - 1 ? "step" : "backward";
    const arrives = stage === 0 ? begin : "arrives";
    const ring = (copies: number, from: string, until: string) => ({
      ring: new Ring(copies, `what ${from} leaves for ${until} of`),
      from,
      until,
    });
    this.#rings = [
      ring(inFlight, arrives, back),
      ring(outstanding, begin, back),
      ...deferred === undefined ? [] : [
        ring(deferred.arrived, arrives, "weights"),
        ring(deferred.stashed, begin, "weights"),
        ring(deferred.left, back, "weights"),
      ],
    ];
  }

  happens(type: Operation["type"] | "arrives", m: number): void {
    for (const { ring, from } of this.#rings) if (from === type) ring.write(m);
    for (const { ring, until } of this.#rings) if (until === type) ring.free(m);
  }
}

/** Runs all stages, one operation or message at a time, in random order. */
function simulate(o: Setting, random: Random): void {
  const stages = Array.from({ length: o.stages }, (_, stage) => new Stage(stage, o));
  /** What each link has not yet delivered. */
  const links = new Map<string, (() => void)[]>();
  const arrived = new Map<string, number>();
  const send = (kind: "forward" | "backward", m: number, from: number, to: number) => {
    const link = `${from} ${to}`;
    const deliver = () => {
      stages[to]!.machine.arrived(kind, m, from);
      // A value that comes from another stage takes its place when the first message is there.
      const key = `${to} ${m}`;
      const first = kind === "forward" && !arrived.has(key);
      if (first) stages[to]!.happens("arrives", m);
      arrived.set(key, m);
    };
    links.set(link, [...links.get(link) ?? [], deliver]);
  };
  const run = (at: Stage): boolean => {
    const operation = at.machine.next();
    if (operation === undefined) return false;
    if ("microBatch" in operation) {
      const { type, microBatch: m } = operation;
      at.happens(type, m);
      if (type === "forward") {
        const to = at.stage === 0 ? stages.slice(1) : stages.slice(at.stage + 1, at.stage + 2);
        for (const { stage } of to) send("forward", m, at.stage, stage);
      } else if (type !== "weights" && at.stage > 0) {
        for (const to of new Set([0, at.stage - 1])) send("backward", m, at.stage, to);
      }
    }
    at.machine.completed();
    return true;
  };
  for (let moved = true; moved;) {
    const waiting = [...links.keys()].filter((link) => links.get(link)!.length > 0);
    const choices = [
      ...stages.map((stage) => () => run(stage)),
      ...waiting.map((link) => () => {
        links.get(link)!.shift()!();
        return true;
      }),
    ];
    random.shuffle(choices);
    moved = choices.some((choice) => choice());
  }
  for (const { machine } of stages) assert.ok(machine.finished);
}

Deno.test("no copy is written to while an operation has yet to read it", () => {
  const random = new Random(3);
  for (const schedule of SCHEDULES) {
    for (const stages of [1, 2, 3, 5]) {
      for (const micro_batches of [1, 2, 3, 4, 8]) {
        const calendar = new Calendar({
          epochs: 2,
          samples: 21,
          batch_size: 8,
          micro_batches,
          update_frequency: 2,
          validation_samples: 0,
          validation_every: 0,
        });
        for (let i = 0; i < 3; i++) {
          simulate({ schedule, stages, inFlight: stages, calendar }, random);
        }
      }
    }
  }
});
