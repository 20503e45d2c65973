import { dirname, join } from "node:path";
import { readWhole } from "../data/mod.ts";
import { RavnError } from "../error.ts";
import { parseNodeConfigs } from "../planning/mod.ts";
import type { NodeConfig } from "../planning/mod.ts";
import { readConfig } from "./config.ts";
import type { RunHost } from "./events.ts";
import { freeMemory, isHere, usableCores } from "./machine.ts";
import { NodeData } from "./node_data.ts";
import { measure, openRuntime, readSubject } from "./prepare_plan.ts";
import { writeProbes } from "./probed_nodes.ts";
import type { ProbedNode } from "./probed_nodes.ts";
import type { NodeReport, ProbedMachine } from "./probe_link.ts";
import { probeLinks, waysOf } from "./probe_links.ts";
import type { ProbedLinks } from "./probe_links.ts";
import type { ProbeReport, ProbeRequest } from "./requests.ts";
import { TokenFile } from "./token_file.ts";

/** In `node_data/`: the secret of those who probe, and the lock of those of one machine. */
const TOKEN_FILE = "probe_token";

/**
 * Measures this node and its links to the other nodes of the node file, and writes what was found
 * into it, with what the others found themselves.
 *
 * @throws {RavnError} where an input is wrong, or it cannot be told which node this is
 */
export async function probe(request: ProbeRequest, host: RunHost): Promise<ProbeReport> {
  const file = request.config ?? "ravn.yaml";
  const config = await readConfig(file);
  const text = new TextDecoder().decode(await readWhole(request.nodes));
  const nodes = parseNodeConfigs(text, request.nodes);
  const self = selfOf(nodes, request);
  const { root } = new NodeData(dirname(file));
  using turns = await TokenFile.open(join(root, TOKEN_FILE));
  const token = request.token ?? await turns.alone(() => turns.token());
  const machine = await turns.alone(() => measureMachine(request, nodes, host));
  const found = await probeLinks({
    self,
    others: nodes.filter((node) => node !== self),
    machine,
    token,
    timeout_s: request.timeout_s ?? config.timeouts.connect_s,
    sockets: config.transport,
    host,
  });
  const own: NodeReport = { machine, ways: waysOf(found.links) };
  const reports = new Map([...found.reports, [self.id, own]]);
  await turns.alone(() => writeProbes(request.nodes, probedNodes(reports, machine)));
  return reportOf(self, machine, found, request.nodes);
}

/** The node that this is: the one that was named, or the only one of this machine. */
function selfOf(nodes: readonly NodeConfig[], { name, nodes: file }: ProbeRequest): NodeConfig {
  if (name === undefined) {
    const here = nodes.filter(({ address }) => isHere(address));
    if (here.length === 1) return here[0]!;
    const names = (here.length === 0 ? nodes : here).map((node) => node.name).join(", ");
    throw new RavnError(
      `${file} has ${here.length} nodes of this machine: give --name with one of ${names}`,
    );
  }
  const found = nodes.find((node) => node.name === name);
  if (found !== undefined) return found;
  const names = nodes.map((node) => node.name).join(", ");
  throw new RavnError(`${file} has no node "${name}": give --name with one of ${names}`);
}

async function measureMachine(
  request: ProbeRequest,
  nodes: readonly NodeConfig[],
  host: RunHost,
): Promise<ProbedMachine> {
  const file = request.config ?? "ravn.yaml";
  const config = await readConfig(file);
  const data = new NodeData(dirname(file));
  const [cores, memory_mb] = [usableCores(), freeMemory()];
  using runtime = openRuntime(config, nodes);
  const subject = await readSubject({ ...request, dryRun: false }, config, runtime, host);
  const kept = { cache: data.calibration, overheads: false };
  const calibration = await measure(subject, config, runtime, kept);
  await calibration.save();
  await subject.formulations.save();
  let operators_ms = 0;
  for (const { forward_ms, backward_ms } of calibration.times.values()) {
    operators_ms += forward_ms + backward_ms;
  }
  return { cores, memory_mb, operators_ms, measured_at: new Date().toISOString() };
}

/** Speeds are relative to this machine: its operator times are those that its plans go by. */
function probedNodes(
  reports: ReadonlyMap<number, NodeReport>,
  { operators_ms: here_ms }: ProbedMachine,
): Map<number, ProbedNode> {
  return new Map([...reports].map(([id, { machine, ways }]) => {
    const { operators_ms, ...measured } = machine;
    const links = new Map([...ways].map(([other, { mbps, latency_ms }]) => [
      other,
      { bandwidth_mbps: mbps, latency_ms },
    ]));
    return [id, { probe: { ...measured, speed: here_ms / operators_ms }, links }];
  }));
}

function reportOf(
  self: NodeConfig,
  { cores, memory_mb, operators_ms }: ProbedMachine,
  { links, missing, reports }: ProbedLinks,
  file: string,
): ProbeReport {
  return {
    node: self.name,
    cores,
    memory_mb,
    operators_ms,
    links: links.map(({ node, via, out_mbps, in_mbps, latency_ms }) => {
      const theirs = reports.get(node.id)?.machine.operators_ms;
      return {
        ...{ node: node.name, address: node.address.text, via, out_mbps, in_mbps, latency_ms },
        ...(theirs === undefined ? {} : { speed: operators_ms / theirs }),
      };
    }),
    missing: missing.map(({ node, why }) => ({ node: node.name, why })),
    file,
  };
}
