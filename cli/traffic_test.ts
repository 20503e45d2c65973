import assert from "node:assert/strict";
import type { LinkBytes } from "../core/run/events.ts";
import { Terminal } from "./output.ts";
import { MemoryStream } from "./testing.ts";
import { showTraffic } from "./traffic.ts";

function shown(links: readonly LinkBytes[]): string {
  const out = new MemoryStream(false, 100);
  showTraffic(links, new Terminal(out, new MemoryStream()));
  return out.text;
}

const SENT = { from: "node_0", to: "node_1", messages: 1700 } as const;
const PLAIN = { ...SENT, content: "validation", bytes_raw: 1000, bytes_sent: 1000 } as const;

Deno.test("a table tells what was sent, where any of it was compressed", () => {
  const forward = { ...SENT, content: "forward", bytes_raw: 4 << 20, bytes_sent: 1 << 20 } as const;
  assert.equal(
    shown([forward, PLAIN]),
    "from    to      content     messages  raw      sent     share\n" +
      "node_0  node_1  forward        1,700  4.0 MiB  1.0 MiB  25.0 %\n" +
      "node_0  node_1  validation     1,700  1000 B   1000 B   100.0 %\n",
  );
});

Deno.test("where nothing was compressed, nothing is told", () => {
  assert.equal(shown([PLAIN]), "");
});
