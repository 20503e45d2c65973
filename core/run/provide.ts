import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { EXIT, messageOf, RavnError } from "../error.ts";
import { parseAddress, sameHost } from "../planning/mod.ts";
import { Runtime } from "../runtime/mod.ts";
import type { Link } from "../../transport/mod.ts";
import { microBatchesOf, readConfig } from "./config.ts";
import type { Config } from "./config.ts";
import type { RunHost } from "./events.ts";
import { LeafReport } from "./leaf_report.ts";
import { meetPeers } from "./meet_peers.ts";
import { MetricsFiles, moveAside } from "./metrics_files.ts";
import { NodeData, nodeFile, readJson, stageFiles } from "./node_data.ts";
import type { NodeFile } from "./node_data.ts";
import { openStage } from "./open_stage.ts";
import type { OpenStage } from "./open_stage.ts";
import type { ProvideRequest } from "./requests.ts";
import { RunData } from "./run_data.ts";
import { readStage, saveState } from "./stage_files.ts";
import type { StoredStage } from "./stage_files.ts";
import { StageRun } from "./stage_run.ts";
import type { RunTerms, StageObserver } from "./stage_run.ts";

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
  const { node } = provider;
  using runtime = Runtime.open({
    threads: threadsOf(provider, request.threads),
    device: request.device ?? provider.config.device,
  });
  const data = await openData(provider);
  await using stage = await openStage(runtime, provider.stage, settingsOf(provider, request));
  const links = await meetPeers({
    node,
    manifest: provider.stage.manifest,
    token: request.token ?? node.token,
    timeout_s: request.timeout_s ?? provider.config.timeouts.connect_s,
    silence_s: provider.config.timeouts.silence_s,
    sockets: provider.config.transport,
    host,
  });
  host.emit({
    event: "ready",
    node: node.name,
    stage: node.stage,
    stages: node.cluster_length,
    threads: runtime.threads,
    device: runtime.device,
  });
  await trainStage({ provider, request, stage, links, data, host });
}

async function readProvider(
  { name, config: file = "ravn.yaml" }: ProvideRequest,
): Promise<Provider> {
  const config = await readConfig(file);
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

function settingsOf({ node, config }: Provider, request: ProvideRequest) {
  const microBatches = microBatchesOf(config);
  if (node.schedule !== config.schedule || node.micro_batches !== microBatches) {
    throw new RavnError(
      `the plan was made for schedule ${node.schedule} and micro_batches ${node.micro_batches}, ` +
        `ravn.yaml says ${config.schedule} and ${microBatches}: run ravn clusterize again`,
    );
  }
  return {
    schedule: node.schedule,
    inFlight: request.inFlight ?? node.in_flight,
    microBatches,
    updateFrequency: config.update_frequency,
    optimizer: config.optimizer,
    learningRate: config.lr_schedule,
    seed: config.seed,
  };
}

/** The data that this stage reads itself, if any. */
async function openData({ stage, config }: Provider): Promise<RunData | undefined> {
  const { manifest } = stage;
  const own = manifest.inputs.filter(({ from }) => from === "data");
  const ports = [...own, ...manifest.relays];
  if (ports.length === 0) return undefined;
  const { train, validation, shuffle } = config.data;
  const files = own.length === 0 || ports.some(({ value }) => value === "ravn.labels")
    ? { train, validation }
    : { train: { inputs: train.inputs }, validation: validation && { inputs: validation.inputs } };
  return await RunData.open(ports, { ...files, shuffle, seed: config.seed });
}

interface Training {
  readonly provider: Provider;
  readonly request: ProvideRequest;
  readonly stage: OpenStage;
  readonly links: ReadonlyMap<number, Link>;
  readonly data: RunData | undefined;
  readonly host: RunHost;
}

async function trainStage(o: Training): Promise<void> {
  const { provider, stage, links, data, host, request } = o;
  const { manifest } = provider.stage;
  const settings = settingsOf(provider, request);
  await using files = manifest.head && await MetricsFiles.create(metricsFolder(provider));
  const report = files && new LeafReport({
    head: manifest.head!,
    executor: stage.executor,
    files,
    emit: host.emit,
    now_ms: () => performance.now(),
  });
  const progress = { run_id: "", updates: 0 };
  const observer = observe(report, progress);
  const run = new StageRun({
    node: provider.node.name,
    manifest,
    executor: stage.executor,
    weights: stage.weights,
    versions: stage.versions,
    terms: {
      schedule: settings.schedule,
      in_flight: settings.inFlight,
      micro_batches: settings.microBatches,
    },
    links,
    ...(data === undefined ? {} : { source: data }),
    rate: stage.rate,
    observer,
    signal: host.signal,
  });
  const terms = provider.node.stage === 0 ? termsOf(provider, settings, data!) : undefined;
  try {
    await run.run(terms);
    if (provider.config.save) await save(o, progress, true);
    await run.leave();
    report?.ended();
  } catch (thrown) {
    if (progress.updates > 0) await saveBroken(o, progress);
    throw thrown instanceof RavnError
      ? new RavnError(`${provider.node.name}: ${thrown.message}`, {
        exitCode: thrown.exitCode === EXIT.usage ? EXIT.failure : thrown.exitCode,
        cause: thrown,
      })
      : thrown;
  }
}

/** Several clusters may train in one folder: the first one's metrics stand where one looks for them. */
function metricsFolder({ node, home }: Provider): string {
  return node.rank === 0 ? home : new NodeData(home).cluster(node.rank);
}

interface Progress {
  run_id: string;
  updates: number;
}

/** Counts updates besides what the last stage reports. */
function observe(report: LeafReport | undefined, progress: Progress): StageObserver {
  return {
    begun(calendar, terms) {
      progress.run_id = terms.run_id;
      report?.begun(calendar);
    },
    loss: (place, loss) => report?.loss(place, loss),
    updated(update, rate) {
      progress.updates = update + 1;
      report?.updated(update, rate);
    },
    validated: (step, slot, samples, loss) => report?.validated(step, slot, samples, loss),
  };
}

function termsOf(
  { config, node }: Provider,
  settings: ReturnType<typeof settingsOf>,
  data: RunData,
): RunTerms {
  return {
    run_id: crypto.randomUUID(),
    schedule: settings.schedule,
    in_flight: settings.inFlight,
    shape: {
      epochs: config.epochs,
      samples: data.samples,
      batch_size: node.batch_size,
      micro_batches: settings.microBatches,
      update_frequency: config.update_frequency,
      validation_samples: data.validationSamples,
      validation_every: config.val_freq === "epoch" ? 0 : config.val_freq,
    },
  };
}

/** Writes the weights as they are now. */
async function save(o: Training, progress: Progress, complete: boolean): Promise<void> {
  const { provider, stage, host } = o;
  const { trained, checkpoint } = stageFiles(provider.folder, provider.node.stage);
  const file = complete ? trained : checkpoint;
  await moveAside(file);
  const tensors = new Map([
    ...stage.weights.tensors(stage.versions.buffer),
    ...stage.executor.statistics(),
  ]);
  const state = { ...progress, stage: provider.node.stage, complete };
  await saveState(file, tensors, state);
  host.emit({ event: "saved", node: provider.node.name, file });
}

/** Saves what there is when a run breaks off; a failure of this must not hide the first one. */
async function saveBroken(o: Training, progress: Progress): Promise<void> {
  try {
    await save(o, progress, false);
  } catch (thrown) {
    o.host.emit({ event: "warning", message: `no checkpoint was saved: ${messageOf(thrown)}` });
  }
}
