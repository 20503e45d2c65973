import assert from "node:assert/strict";
import type { LinkBytes, RunEvent } from "./events.ts";
import { PlanTraffic } from "./plan_traffic.ts";

function sent(from: string, to: string): LinkBytes {
  return { from, to, content: "forward", messages: 2, bytes_raw: 800, bytes_sent: 400 };
}

Deno.test("what providers sent is told as one, in the order of the stages", () => {
  const told: RunEvent[] = [];
  const host = { emit: (event: RunEvent) => void told.push(event), signal: null!, command: [] };
  const traffic = new PlanTraffic();
  const gathered = traffic.gather(host);
  const links = [sent("a", "b"), sent("b", "c"), sent("c", "b"), sent("d", "e")];
  for (const link of links.toReversed()) gathered.emit({ event: "traffic", links: [link] });
  gathered.emit({ event: "log", message: "passed on" });
  const clusters = [["a", "b", "c"], ["d", "e"], ["f"]];
  const plan = { clusters: clusters.map((of) => ({ stages: of.map((name) => ({ name })) })) };
  traffic.tell(plan, host);
  assert.deepEqual(told, [{ event: "log", message: "passed on" }, { event: "traffic", links }]);
});
