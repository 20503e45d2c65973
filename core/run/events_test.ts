import assert from "node:assert/strict";
import { parseEvent, type RunEvent } from "./events.ts";

Deno.test("an event survives its line of JSON", () => {
  const event: RunEvent = { event: "saved", node: "node_2", file: "a.safetensors" };
  assert.deepEqual(parseEvent(JSON.stringify(event)), event);
});

Deno.test("lines that are not events are undefined", () => {
  for (const line of ["", "plain text", "{", "{}", '{"event":7}', '{"event":"toString"}', "[1]"]) {
    assert.equal(parseEvent(line), undefined, line);
  }
});
