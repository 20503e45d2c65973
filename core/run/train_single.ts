import { Runtime } from "../runtime/mod.ts";
import { buildPrograms } from "../training/mod.ts";
import { labelsOf } from "./clusterize.ts";
import { microBatchesOf } from "./config.ts";
import { withTensors, writeTrained } from "./fuse.ts";
import { LeafReport } from "./leaf_report.ts";
import { MetricsFiles } from "./metrics_files.ts";
import { loadModel } from "./model_file.ts";
import { openStage } from "./open_stage.ts";
import { RunData } from "./run_data.ts";
import { storedStage } from "./stage_files.ts";
import { StageRun } from "./stage_run.ts";
import type { LocalTraining } from "./train.ts";

/**
 * Trains the unsplit model in this process: a pipeline of one stage, through the same code.
 *
 * @returns the files of the trained model
 */
export async function trainSingle(o: LocalTraining): Promise<string[]> {
  const { request, config, home, out, host } = o;
  const threads = request.threads ?? (config.threads === "auto" ? undefined : config.threads);
  using runtime = Runtime.open({
    ...(threads === undefined ? {} : { threads }),
    device: request.device ?? config.device,
  });
  const model = await loadModel(config.model, runtime.evaluate, config.batch_size);
  const labels = await labelsOf(config, model);
  const [program] = buildPrograms({
    graph: model.graph,
    facts: model.facts,
    stages: [model.graph.nodes.map(({ name }) => name)],
    recompute: [false],
    batch: config.batch_size,
    loss: config.loss,
    ...(labels === undefined ? {} : { labels }),
    labelsFrom: "root",
    maskAs: "input",
  });
  const { manifest } = program!;
  const microBatches = microBatchesOf(config);
  const terms = { schedule: config.schedule, in_flight: 1 };
  await using stage = await openStage(runtime, storedStage(program!), {
    schedule: config.schedule,
    inFlight: 1,
    microBatches,
    updateFrequency: config.update_frequency,
    optimizer: config.optimizer,
    learningRate: config.lr_schedule,
    seed: config.seed,
  });
  const { train, validation, shuffle } = config.data;
  const source = await RunData.open(manifest.inputs, {
    train,
    validation,
    shuffle,
    seed: config.seed,
  });
  await using files = await MetricsFiles.create(home);
  const report = new LeafReport({
    head: manifest.head!,
    executor: stage.executor,
    files,
    emit: host.emit,
    now_ms: () => performance.now(),
  });
  const run = new StageRun({
    node: "this process",
    manifest,
    executor: stage.executor,
    weights: stage.weights,
    versions: stage.versions,
    terms: { ...terms, micro_batches: microBatches },
    links: new Map(),
    source,
    rate: stage.rate,
    observer: report,
    signal: host.signal,
  });
  await run.run({
    run_id: crypto.randomUUID(),
    ...terms,
    shape: {
      epochs: config.epochs,
      samples: source.samples,
      batch_size: config.batch_size,
      micro_batches: microBatches,
      update_frequency: config.update_frequency,
      validation_samples: source.validationSamples,
      validation_every: config.val_freq === "epoch" ? 0 : config.val_freq,
    },
  });
  report.ended();
  if (!config.save) return [];
  const trained = new Map([
    ...stage.weights.tensors(stage.versions.buffer),
    ...stage.executor.statistics(),
  ]);
  const graph = withTensors(model.graph, trained, model.file);
  return await writeTrained(graph, { out, force: request.force });
}
