import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { EXIT, messageOf, RavnError } from "../error.ts";
import { parseAddress, sameHost } from "../planning/mod.ts";
import { Runtime } from "../runtime/mod.ts";
import { LABELS } from "../training/mod.ts";
import { readConfig } from "./config.ts";
import type { Config } from "./config.ts";
import type { RunHost } from "./events.ts";
import { meetPeers } from "./meet_peers.ts";
import { moveAside } from "./metrics_files.ts";
import { NodeData, nodeFile, readJson, stageFiles } from "./node_data.ts";
import type { NodeFile } from "./node_data.ts";
import { openStage } from "./open_stage.ts";
import type { StageSettings } from "./open_stage.ts";
import type { ProvideRequest } from "./requests.ts";
import { RunData } from "./run_data.ts";
import { readStage, saveState } from "./stage_files.ts";
import type { SavedState, StoredStage } from "./stage_files.ts";
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
export async function provide(request: ProvideRequest, host: RunHost): Promise<void> {
  const provider = await readProvider(request);
  const { node, config, folder } = provider;
  const settings = checkedSettings(provider, request);
  using runtime = Runtime.open({
    threads: threadsOf(provider, request.threads),
    device: request.device ?? config.device,
  });
  const source = await openData(provider);
  await using stage = await openStage(runtime, provider.stage, settings);
  const links = await meetPeers({
    node,
    manifest: provider.stage.manifest,
    token: request.token ?? node.token,
    timeout_s: request.timeout_s ?? config.timeouts.connect_s,
    silence_s: config.timeouts.silence_s,
    sockets: config.transport,
    host,
  });
  const { threads, device } = runtime;
  const stages = node.cluster_length;
  host.emit({ event: "ready", node: node.name, stage: node.stage, stages, threads, device });
  const files = stageFiles(folder, node.stage);
  const root = node.stage === 0 && source !== undefined;
  try {
    await trainStage({
      node: node.name,
      stored: provider.stage,
      stage,
      settings,
      links,
      source,
      terms: root ? termsOf(config, settings, { source, batchSize: node.batch_size }) : undefined,
      metrics: metricsFolder(provider),
      host,
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
    await saveState(file, stage.tensors(), { ...state, stage: node.stage });
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

/** The same error, with the node that it ended. */
function failureOf(node: string, thrown: unknown): unknown {
  if (!(thrown instanceof RavnError)) return thrown;
  const exitCode = thrown.exitCode === EXIT.usage ? EXIT.failure : thrown.exitCode;
  return new RavnError(`${node}: ${thrown.message}`, { exitCode, cause: thrown });
}

async function readProvider(
  { name, config: file = "ravn.yaml", set = [] }: ProvideRequest,
): Promise<Provider> {
  checkOverrides(set);
  const config = await readConfig(file, set);
  const home = dirname(file);
  const data = new NodeData(home);
  const node = await readJson(
    data.node(name),
    nodeFile,
    `run ravn clusterize first, or see node_data/nodes/ for the names`,
  );
  const folder = join(home, node.template_path);
  return { node, config, stage: await readStage(folder), folder, home };
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

/** Threads asked for, or this machine's cores over the providers on it. */
function threadsOf({ node, config }: Provider, asked: number | undefined): number {
  const threads = asked ?? config.threads;
  if (threads !== "auto") return threads;
  const own = node.peers.find(({ stage }) => stage === node.stage)!;
  const here = node.peers.filter(({ address }) => onOneHost(address, own.address)).length;
  return Math.max(1, Math.floor(availableParallelism() / here));
}

function onOneHost(a: string, b: string): boolean {
  const [first, second] = [parseAddress(a), parseAddress(b)];
  return first !== undefined && second !== undefined && sameHost(first, second);
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
  return settings;
}

/** The data that this stage reads itself, if any. */
async function openData({ stage, config }: Provider): Promise<RunData | undefined> {
  const { manifest } = stage;
  const own = manifest.inputs.filter(({ from }) => from === "data");
  const ports = [...own, ...manifest.relays];
  if (ports.length === 0) return undefined;
  const { train, validation, shuffle } = config.data;
  const files = own.length === 0 || ports.some(({ value }) => value === LABELS)
    ? { train, validation }
    : { train: { inputs: train.inputs }, validation: validation && { inputs: validation.inputs } };
  return await RunData.open(ports, { ...files, shuffle, seed: config.seed });
}

/** Several clusters may train in one folder: the first one's metrics stand where one looks for them. */
function metricsFolder({ node, home }: Provider): string {
  return node.rank === 0 ? home : new NodeData(home).cluster(node.rank);
}
