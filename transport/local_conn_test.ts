import assert from "node:assert/strict";
import { eventLoop } from "../core/event_loop.ts";
import { greet } from "./handshake.ts";
import { hasUnix, House, session } from "./house.ts";
import { LIMITS } from "./limits.ts";
import { LocalConn, type SharedBlock, type SharedMemory } from "./local_conn.ts";
import { pipe } from "./pipe.ts";
import type { RawConn } from "./raw_conn.ts";
import { headFor, pattern, Recorder } from "./recorder.ts";

/** Shared memory within this process; `refused` is a peer that cannot open it. */
class Blocks implements SharedMemory {
  readonly made = new Map<string, Uint8Array<ArrayBuffer>>();
  freed = 0;

  constructor(readonly isRefused = false) {}

  create(byteLength: number): SharedBlock {
    const name = `block ${this.made.size}`;
    this.made.set(name, new Uint8Array(byteLength));
    return this.#block(name);
  }

  open(name: string): SharedBlock | undefined {
    return this.isRefused ? undefined : this.#block(name);
  }

  #block(name: string): SharedBlock {
    return { name, bytes: this.made.get(name)!, [Symbol.dispose]: () => void this.freed++ };
  }
}

for (const isRefused of [false, true]) {
  Deno.test({
    name: `peers of one host ${isRefused ? "do without" : "pass tensors through"} shared memory`,
    ignore: !hasUnix,
    fn: async () => {
      const memory = new Blocks(isRefused);
      const house = await House.open({ memory });
      const here = await house.dial({ memory });
      await house.until(() => house.links.length === 1);
      const there = house.links[0]!;
      const [atHere, atThere] = [new Recorder(), new Recorder()];
      here.start(atHere);
      there.start(atThere);
      const length = 3_000_001;
      const infos = [{ name: "t", dtype: "uint8", dims: [length] } as const];
      const data = [pattern(length)];
      for (let i = 0; i < 8; i++) {
        const head = headFor(infos, { microBatch: i });
        await Promise.all([here.send(head, data), there.send(head, data)]);
      }
      await Promise.all([atHere.until(8), atThere.until(8)]);
      assert.deepEqual(atThere.events[7], { head: headFor(infos, { microBatch: 7 }), data });
      assert.deepEqual(atHere.events[7], atThere.events[7]);
      const isUsed = [...memory.made.values()][0]!.some((byte) => byte !== 0);
      assert.equal(isUsed, !isRefused);
      await here.close();
      assert.equal((await there.closed).kind, "bye");
      assert.equal(memory.freed, isRefused ? 1 : 2);
      await house.listener.close();
    },
  });
}

Deno.test({
  name: "a peer that leaves without a word is noticed with shared memory, too",
  ignore: !hasUnix,
  fn: async () => {
    const memory = new Blocks();
    const house = await House.open({ memory });
    const { path } = house.listener;
    const socket = await Deno.connect({ transport: "unix", path: path! });
    const conn = new LocalConn(socket, memory);
    await greet(conn, session("node_0"), { nodeId: "node_1", address: "" }, LIMITS);
    await house.until(() => house.links.length === 1);
    conn.close();
    const closed = await house.links[0]!.closed;
    assert.equal(closed.kind, "lost");
    await house.listener.close();
  },
});

/** A connection over shared memory, and how often each side was rung. */
function overMemory(): { here: LocalConn; there: LocalConn; bells: { count: number } } {
  const memory = new Blocks();
  const [a, b] = pipe();
  const bells = { count: 0 };
  const counted: RawConn = {
    read: (target) => a.read(target),
    write: (source) => (bells.count++, a.write(source)),
    close: () => a.close(),
  };
  const [here, there] = [new LocalConn(counted, memory), new LocalConn(b, memory)];
  assert.ok(there.take(here.offer()));
  here.begin();
  there.begin();
  return { here, there, bells };
}

Deno.test("a side that computes is not rung, and looks of itself", async () => {
  const { here, there, bells } = overMemory();
  const target = new Uint8Array(8);
  for (let i = 0; i < 3; i++) {
    const reading = there.read(target);
    assert.equal(await here.write(pattern(5)), 5);
    assert.equal(bells.count, 0);
    there.look();
    assert.equal(await reading, 5);
  }
  here.close();
  there.close();
});

Deno.test("a side that waits is rung once", async () => {
  const { here, there, bells } = overMemory();
  const reading = there.read(new Uint8Array(8));
  await eventLoop();
  await here.write(pattern(2));
  await here.write(pattern(3));
  assert.equal(await reading, 5);
  assert.equal(bells.count, 1);
  here.close();
  there.close();
});
