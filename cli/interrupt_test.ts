import assert from "node:assert/strict";
import { EXIT } from "../core/error.ts";
import { FakeSignals } from "./testing.ts";
import { Interrupt } from "./interrupt.ts";

Deno.test("the first signal aborts, the same one again leaves at once", () => {
  const signals = new FakeSignals();
  const said: string[] = [];
  using interrupt = new Interrupt(signals, (message) => said.push(message));
  assert.equal(interrupt.signal.aborted, false);
  signals.raise("SIGTERM");
  assert.equal(interrupt.signal.aborted, true);
  assert.deepEqual(signals.exits, []);
  signals.raise("SIGINT");
  assert.deepEqual(signals.exits, [], "one of each is one request");
  signals.raise("SIGTERM");
  assert.deepEqual(signals.exits, [EXIT.interrupted]);
  assert.equal(said.length, 1);
});

Deno.test("nothing listens after disposal", () => {
  const signals = new FakeSignals();
  {
    using _ = new Interrupt(signals, () => {});
    assert.equal(signals.listening, 2);
  }
  assert.equal(signals.listening, 0);
});
