import { dirname, join } from "node:path";
import { messageOf, RavnError } from "../error.ts";
import type { RunShape } from "../pipeline/mod.ts";
import { nearest, parseNodeConfigs, parsePlan, wayBetween } from "../planning/mod.ts";
import type { NodeConfig, Plan } from "../planning/mod.ts";
import {
  checkNodes,
  clustersOf,
  modelledPlan,
  modelledPool,
  rescheduled,
  scaledPlan,
  simulate as simulateRun,
} from "../simulation/mod.ts";
import type { Fault, SimulationInput } from "../simulation/mod.ts";
import { Random } from "../random.ts";
import type { SimulateReport, SimulateRequest } from "./simulate_requests.ts";
import { SimulatedTraces } from "./simulate_trace.ts";

/** The model that is made up where there is no plan. */
const MODELLED = { layers: 24, width: 1024, batch: 64 };

/** Micro-batches of a batch, as `ravn.yaml` has them unless told. */
const MICRO_BATCHES = 4;

/** Nodes that are made up unless told. */
const NODES = 8;

/**
 * Runs a training on virtual time: that of a plan on its nodes, or on others that are made up, or
 * of a made-up model.
 *
 * @throws {RavnError} where a file is wrong, or names a node that is not there
 */
export async function simulate(request: SimulateRequest): Promise<SimulateReport> {
  const { plan, nodes, title } = await planOf(request);
  const { faults, trace, seed, noise, jitter, latency, overhead, updateFrequency } = request;
  if (request.reduceEvery !== undefined && plan.clusters.length === 1) {
    throw new RavnError("--reduce-every: the plan has one cluster, which averages with nobody");
  }
  checkFaults(faults, plan);
  const traces = trace === undefined ? undefined : new SimulatedTraces(plan, request.steps);
  const input: SimulationInput = {
    clusters: clustersOf(plan, nodes, {
      update_frequency: updateFrequency,
      overhead_ms: overhead,
      latency_ms: latency,
    }),
    shape: shapeOf(plan, request),
    wayBetween: (from, to) => {
      const way = wayBetween(nodeAt(from), nodeAt(to));
      return way.latency_ms > 0 || way.isLocal ? way : { ...way, latency_ms: latency };
    },
    seed,
    noise,
    jitter,
    faults,
  };
  const nodeAt = ({ cluster, stage }: { readonly cluster: number; readonly stage: number }) =>
    nodes[plan.clusters[cluster]!.stages[stage]!.node]!;
  const result = simulateRun(input, traces);
  if (trace === undefined) return { title, ...result };
  await traces!.write(trace);
  return { title, ...result, file: trace };
}

/** A plan, and the nodes that it is for. */
interface Planned {
  readonly plan: Plan;
  readonly nodes: readonly NodeConfig[];
  readonly title: string;
}

async function planOf(request: SimulateRequest): Promise<Planned> {
  const { plan: file, nodes, seed } = request;
  const pool = (count: number) => modelledPool(count, new Random(seed).fork("nodes"));
  if (file === undefined) {
    if (typeof nodes === "string") {
      throw new RavnError(`--nodes ${nodes}: a node file goes with a plan: name the plan.json too`);
    }
    return planModelled(request, pool(nodes ?? NODES));
  }
  for (const key of ["layers", "width", "batch", "clusters", "objective"] as const) {
    if (request[key] === undefined) continue;
    throw new RavnError(`--${key} is for a made-up plan: leave it or ${file} out`);
  }
  const read = parsePlan(await textOf(file, "run ravn clusterize first"), file);
  const plan = rescheduled(read, request);
  const title = `${file}: ${plan.model.file}, schedule ${plan.schedule}`;
  if (typeof nodes === "number") {
    const made = pool(nodes);
    return { plan: scaledPlan(plan, made), nodes: made, title };
  }
  const nodeFile = nodes ?? join(dirname(file), "node_configs.json");
  const text = await textOf(nodeFile, "name the plan's node file, or a number, by --nodes");
  const known = parseNodeConfigs(text, nodeFile);
  checkNodes(plan, known, nodeFile);
  return { plan, nodes: known, title };
}

function planModelled(request: SimulateRequest, nodes: readonly NodeConfig[]): Planned {
  const { layers = MODELLED.layers, width = MODELLED.width, batch = MODELLED.batch } = request;
  const { schedule = "async", seed } = request;
  const { microBatches = schedule === "async" ? 1 : MICRO_BATCHES } = request;
  const { objective = "balance", clusters } = request;
  const title = `${layers} dense layers of ${width} units, made up, schedule ${schedule}`;
  const plan = modelledPlan({
    nodes,
    layers,
    width,
    batch_size: batch,
    micro_batches: microBatches,
    schedule,
    seed,
    objective,
    ...(clusters === undefined ? {} : { clusters }),
  });
  return { plan, nodes, title };
}

async function textOf(file: string, advice: string): Promise<string> {
  try {
    return await Deno.readTextFile(file);
  } catch (thrown) {
    if (thrown instanceof Deno.errors.NotFound) {
      throw new RavnError(`${file} does not exist: ${advice}`);
    }
    throw new RavnError(`${file} cannot be read: ${messageOf(thrown)}`);
  }
}

/** One epoch of full batches; several clusters average at its end, or as often as is asked for. */
function shapeOf(
  { batch_size, micro_batches, clusters }: Plan,
  { steps, updateFrequency, reduceEvery, reduceDelay }: SimulateRequest,
): RunShape {
  return {
    epochs: 1,
    samples: steps * updateFrequency * batch_size,
    batch_size,
    micro_batches,
    update_frequency: updateFrequency,
    validation_samples: 0,
    validation_every: 0,
    ...(clusters.length > 1 ? { reduce_every: reduceEvery ?? 0, reduce_delay: reduceDelay } : {}),
  };
}

/** Faults can only befall nodes and links that there are. */
function checkFaults(faults: readonly Fault[], { node_info }: Plan): void {
  const names = node_info.map(({ name }) => name);
  for (const fault of faults) {
    for (const name of fault.type === "link" ? fault.nodes : [fault.node]) {
      if (names.includes(name)) continue;
      throw new RavnError(
        `no node is called "${name}": did you mean "${nearest(name, names)}"? ` +
          `(${names.length} nodes, ${names[0]} to ${names.at(-1)})`,
      );
    }
  }
}
