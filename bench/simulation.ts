/**
 * Time of `ravn simulate` with a thousand nodes and a hundred updates, planning included, against
 * the minute that it may take. The argument names the bench.
 */
import { simulate } from "../core/run/simulate.ts";
import { SIMULATED } from "../core/run/simulate_requests.ts";

const NODES = 1000;
const STEPS = 100;
const MOST_S = 60;

async function main(bench: string): Promise<void> {
  const begin = performance.now();
  const report = await simulate({ ...SIMULATED, nodes: NODES, steps: STEPS });
  const seconds = (performance.now() - begin) / 1000;
  const { nodes, clusters, updates, events, steps_per_s } = report;
  const line = {
    bench,
    ratio: seconds / MOST_S,
    seconds,
    seconds_most: MOST_S,
    nodes,
    clusters: clusters.length,
    updates,
    events,
    events_per_s: events / seconds,
    simulated_steps_per_s: steps_per_s,
  };
  Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify(line)}\n`));
}

if (import.meta.main) await main(Deno.args[0] ?? "simulation/1000");
