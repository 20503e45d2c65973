import { dirname, join } from "node:path";
import type { DataFiles } from "../data/mod.ts";
import { EXIT, messageOf, RavnError } from "../error.ts";
import { Runtime } from "../runtime/mod.ts";
import { isLabels } from "../training/mod.ts";
import { readConfig } from "./config.ts";
import type { Config } from "./config.ts";
import { partnerNodes } from "./averaging_layout.ts";
import type { BatchSource } from "./batch_source.ts";
import type { RunHost } from "./events.ts";
import { meetPeers } from "./meet_peers.ts";
import { moveAside } from "./metrics_files.ts";
import { inModelFile } from "./model_file.ts";
import { checkNodeFile } from "./node_check.ts";
import { exists, NodeData, nodeFile, readJson, stageFiles } from "./node_data.ts";
import type { NodeFile } from "./node_data.ts";
import { openStage } from "./open_stage.ts";
import type { StageSettings } from "./open_stage.ts";
import type { ProvideRequest } from "./requests.ts";
import { RunData } from "./run_data.ts";
import { plannedLoss } from "./plan_files.ts";
import { checkPlannedModel } from "./planned_model.ts";
import { recordedHost } from "./recorded_host.ts";
import type { RunTerms } from "./run_terms.ts";
import { RunTrace, traceFile } from "./run_trace.ts";
import { ShardedSource, shareOf } from "./sharded_source.ts";
import { readStage, saveState } from "./stage_files.ts";
import type { SavedState, StoredStage } from "./stage_files.ts";
import { automaticThreads, takesTurns } from "./threads.ts";
import { settingsOf, termsOf, trainStage } from "./train_stage.ts";
import type { StageProgress } from "./train_stage.ts";

/** Keys that the graphs of a plan depend on. */
const PLANNED_KEYS = [
  "model",
  "loss",
  "batch_size",
  "labels",
  "split",
  "schedule",
  "micro_batches",
  "recompute",
];

/** A node, with everything that it has read about its part. */
export interface Provider {
  readonly node: NodeFile;
  readonly config: Config;
  readonly stage: StoredStage;
  /** Folder of the stage's files. */
  readonly folder: string;
  /** Folder of `ravn.yaml`. */
  readonly home: string;
}

/** Trains one stage of the plan as one node, to the end. */
export async function provide(request: ProvideRequest, told: RunHost): Promise<void> {
  const host = recordedHost(told);
  const provider = await readProvider(request);
  const { node, config, folder } = provider;
  const settings = checkedSettings(provider, request);
  const files = stageFiles(folder, node.stage);
  if (config.save && !request.force) await checkUntrained(files.trained);
  using runtime = Runtime.open({
    threads: threadsOf(provider, request.threads),
    device: request.device ?? config.device,
  });
  using data = await openData(provider, host);
  const source = data && sharedOut(provider, data);
  const layout = averages(provider) ? node.averaging : undefined;
  const open = () => openStage(runtime, provider.stage, settings);
  await using stage = await inModelFile(folder, open);
  await using meeting = await meetPeers({
    node,
    manifest: provider.stage.manifest,
    partners: layout === undefined ? [] : partnerNodes(layout, node.name),
    token: request.token ?? node.token,
    timeout_s: request.timeout_s ?? config.timeouts.connect_s,
    silence_s: config.timeouts.silence_s,
    sockets: config.transport,
    host,
  });
  const { threads, device } = runtime;
  const stages = node.cluster_length;
  host.emit({ event: "ready", node: node.name, stage: node.stage, stages, threads, device });
  const terms = node.stage === 0 && source !== undefined && data !== undefined
    ? runTerms(provider, settings, source, data)
    : undefined;
  using trace = request.trace === true ? openTrace(provider, host) : undefined;
  try {
    await trainStage({
      node: node.name,
      stored: provider.stage,
      stage,
      settings,
      links: meeting.links,
      averaging: layout && { layout, links: meeting.partners },
      source,
      terms,
      metrics: metricsFolder(provider),
      host,
      trace,
      save: async (progress) => {
        if (config.save) await save(files.trained, { ...progress, complete: true });
      },
      broken: (progress) => saveBroken(files.checkpoint, progress),
    });
  } catch (thrown) {
    throw failureOf(node.name, thrown);
  }

  async function save(file: string, state: Omit<SavedState, "stage">): Promise<void> {
    await moveAside(file);
    await saveState(file, await stage.tensors(), { ...state, stage: node.stage });
    host.emit({ event: "saved", node: node.name, file });
  }

  /** A failure of this must not hide the one that ended the run. */
  async function saveBroken(file: string, progress: StageProgress): Promise<void> {
    try {
      await save(file, { ...progress, complete: false });
    } catch (thrown) {
      host.emit({ event: "warning", message: `no checkpoint was saved: ${messageOf(thrown)}` });
    }
  }
}

function openTrace({ node, folder }: Provider, { emit }: RunHost): RunTrace {
  const { name, rank: cluster, stage, cluster_length: stages } = node;
  return new RunTrace(traceFile(folder, name), { node: name, cluster, stage, stages }, emit);
}

async function checkUntrained(file: string): Promise<void> {
  if (!await exists(file)) return;
  throw new RavnError(
    `${file} is there already: the stage has been trained; fuse it, or give --force to train anew`,
  );
}

/** The same error, with the node that it ended. */
function failureOf(node: string, thrown: unknown): unknown {
  if (!(thrown instanceof RavnError)) return thrown;
  const exitCode = thrown.exitCode === EXIT.usage ? EXIT.failure : thrown.exitCode;
  const named = thrown.message.startsWith(`${node} `) ? "" : `${node}: `;
  return new RavnError(`${named}${thrown.message}`, { exitCode, cause: thrown });
}

async function readProvider(
  { name, config: file = "ravn.yaml", set = [] }: ProvideRequest,
): Promise<Provider> {
  checkOverrides(set);
  const config = await readConfig(file, set);
  const home = dirname(file);
  const data = new NodeData(home);
  const own = data.node(name);
  const node = await readJson(
    own,
    nodeFile,
    `run ravn clusterize first, or see node_data/nodes/ for the names`,
  );
  await checkPlannedModel(data, config.model, { file: own, content: node });
  const folder = join(home, node.template_path);
  const stage = await readStage(folder);
  checkNodeFile(own, node, name, stage.manifest);
  return { node, config, stage, folder, home };
}

/** Refuses to override what the stage's graphs were made for. */
function checkOverrides(set: NonNullable<ProvideRequest["set"]>): void {
  const planned = set.find(([key]) => PLANNED_KEYS.includes(key.split(".")[0]!));
  if (planned === undefined) return;
  const [key, value] = planned;
  throw new RavnError(
    `--set ${key}=${value}: the plan was made for another value; change it in ravn.yaml and run ` +
      `ravn clusterize again`,
  );
}

/** Threads asked for, or as many as suit a node with its neighbours on one host. */
function threadsOf({ node, config }: Provider, asked: number | undefined): number {
  const threads = asked ?? config.threads;
  if (threads !== "auto") return threads;
  const { host_share: share, peers } = node;
  return automaticThreads({ share, takesTurns: takesTurns(node, peers.length) });
}

/** The settings of the plan, which `ravn.yaml` must not contradict. */
function checkedSettings({ node, config }: Provider, { inFlight }: ProvideRequest): StageSettings {
  const { schedule, in_flight } = node;
  const settings = settingsOf(config, { schedule, inFlight: inFlight ?? in_flight });
  if (schedule !== config.schedule || node.micro_batches !== settings.microBatches) {
    throw new RavnError(
      `the plan was made for schedule ${schedule} and micro_batches ${node.micro_batches}, ` +
        `ravn.yaml says ${config.schedule} and ${settings.microBatches}: run ravn clusterize again`,
    );
  }
  const loss = plannedLoss(config);
  if (node.loss !== loss) {
    throw new RavnError(
      `the plan was made for ${node.loss}, ravn.yaml says ${loss}: run ravn clusterize again`,
    );
  }
  return settings;
}

/** The data that this stage reads itself, if any. */
async function openData(
  { stage, config, home }: Provider,
  host: RunHost,
): Promise<RunData | undefined> {
  const { manifest } = stage;
  const own = manifest.inputs.filter(({ from }) => from === "data");
  const ports = [...own, ...manifest.relays];
  if (ports.length === 0) return undefined;
  const { train, validation, shuffle, workers } = config.data;
  const labelled = ports.some(isLabels);
  const unlabelled = (part: DataFiles) => ({ ...part, labels: undefined });
  const files = own.length === 0 || labelled
    ? { train, validation }
    : { train: unlabelled(train), validation: validation && unlabelled(validation) };
  const warn = (message: string) => host.emit({ event: "warning", message });
  const { tokens } = new NodeData(home);
  return await RunData.open(ports, { ...files, shuffle, workers, seed: config.seed, tokens, warn });
}

/** Whether the node's cluster averages its weights with others. */
function averages({ node, config }: Provider): boolean {
  return node.averaging !== undefined && config.reduce_every !== "never";
}

/** The samples that this cluster trains on: its share, where clusters average. */
function sharedOut(provider: Provider, source: BatchSource): BatchSource {
  const { node, config } = provider;
  if (!averages(provider) || config.data.shard === "none") return source;
  if (source.samples < node.ring_size) {
    throw new RavnError(
      `data.train has ${source.samples} samples for ${node.ring_size} clusters; expected at ` +
        `least one each, or data.shard: none`,
    );
  }
  const { rank: cluster, ring_size: clusters, batch_size: batchSize } = node;
  return new ShardedSource(source, { cluster, clusters, batchSize });
}

/** What the root tells: a run over `source`, its cluster's share of `data`. */
function runTerms(
  provider: Provider,
  settings: StageSettings,
  source: BatchSource,
  data: BatchSource,
): RunTerms {
  const { node, config } = provider;
  const { shard } = config.data;
  const clusters = node.ring_size;
  const weight = shard === "none" ? 1 / clusters : shareOf(data.samples, node.rank, clusters);
  const averaging = averages(provider) ? { samples: data.samples, shard, weight } : undefined;
  return termsOf(config, settings, { source, batchSize: node.batch_size, averaging });
}

/**
 * Several clusters may train in one folder: the metrics of the first one's last stage stand where
 * one looks for them. Every other stage keeps its own beside its files.
 */
function metricsFolder({ node, home, folder }: Provider): string {
  if (node.stage < node.cluster_length - 1) return folder;
  return node.rank === 0 ? home : new NodeData(home).cluster(node.rank);
}
