import assert from "node:assert/strict";
import { join } from "node:path";
import type { LinkBytes, RunEvent } from "./events.ts";
import { METRICS_FILES } from "./metrics_files.ts";
import { NodeData } from "./node_data.ts";
import { PlanTraffic } from "./plan_traffic.ts";

function sent(from: string, to: string): LinkBytes {
  return { from, to, content: "forward", messages: 2, bytes_raw: 800, bytes_sent: 400 };
}

function cluster(id: number, names: readonly string[]) {
  return { id, stages: names.map((name) => ({ name })) };
}

Deno.test("what providers sent is told as one, and joins their cluster's metrics", async () => {
  const home = await Deno.makeTempDir({ prefix: "ravn-traffic-" });
  const second = new NodeData(home).cluster(1);
  await Deno.mkdir(second, { recursive: true });
  const files = [home, second].map((folder) => join(folder, METRICS_FILES.events));
  for (const file of files) await Deno.writeTextFile(file, "the last stage's\n");
  const told: RunEvent[] = [];
  const host = { emit: (event: RunEvent) => void told.push(event), signal: null!, command: [] };

  const traffic = new PlanTraffic();
  const gathered = traffic.gather(host);
  const links = [sent("a", "b"), sent("b", "c"), sent("c", "b"), sent("d", "e")];
  for (const link of links.toReversed()) gathered.emit({ event: "traffic", links: [link] });
  gathered.emit({ event: "log", message: "passed on" });
  const clusters = [cluster(0, ["a", "b", "c"]), cluster(1, ["d", "e"]), cluster(2, ["f"])];
  await traffic.tell({ clusters }, home, host);

  assert.deepEqual(told, [{ event: "log", message: "passed on" }, { event: "traffic", links }]);
  const [first, other] = await Promise.all(files.map((file) => Deno.readTextFile(file)));
  const added = (links: readonly LinkBytes[]) =>
    `the last stage's\n${JSON.stringify({ event: "traffic", links })}\n`;
  assert.deepEqual([first, other], [added(links.slice(0, 2)), added(links.slice(3))]);
  await Deno.remove(home, { recursive: true });
});
