import { join } from "node:path";
import type { Graph } from "../onnx/mod.ts";
import { Runtime } from "../runtime/mod.ts";
import type { Device } from "../runtime/mod.ts";
import { buildPrograms, checkGroups, masksFor } from "../training/mod.ts";
import type { StageProgram } from "../training/mod.ts";
import { withTensors, writeTrained } from "./fuse.ts";
import { timeFormulations } from "./formulation_times.ts";
import { inModelFile, loadModel, sizesOfData } from "./model_file.ts";
import type { LoadedModel } from "./model_file.ts";
import { moveAside } from "./metrics_files.ts";
import { exists, NodeData } from "./node_data.ts";
import { openStage } from "./open_stage.ts";
import { RunData } from "./run_data.ts";
import { recordedHost } from "./recorded_host.ts";
import { RunTrace, traceFile } from "./run_trace.ts";
import { labelsOf } from "./prepare_plan.ts";
import { saveState, storedStage } from "./stage_files.ts";
import type { LocalTraining } from "./train.ts";
import { settingsOf, termsOf, trainStage } from "./train_stage.ts";

/** Who this process is in a trace. */
const SINGLE = { node: "single", cluster: 0, stage: 0, stages: 1 } as const;

/** The whole model as one stage. */
async function wholeProgram(
  { config, home, host }: LocalTraining,
  model: LoadedModel,
  runtime: Runtime,
  device: Device,
): Promise<StageProgram> {
  const labels = await labelsOf(config, model);
  const { root, formulations: cache } = new NodeData(home);
  const formulations = await inModelFile(model.file, () =>
    timeFormulations({
      runtime,
      ...model,
      batch: config.batch_size,
      // What is fastest on this processor says nothing of another device.
      ...(device === "cpu" ? { cache } : { budget_ms: 0 }),
      say: (message) => host.emit({ event: "log", message }),
    }));
  if (await exists(root)) await formulations.save();
  checkGroups(config.optimizer, model.graph);
  const [program] = await inModelFile(model.file, () =>
    buildPrograms({
      graph: model.graph,
      facts: model.facts,
      stages: [model.graph.nodes.map(({ name }) => name)],
      recompute: [false],
      batch: config.batch_size,
      loss: config.loss,
      labels,
      freeze: config.freeze,
      labelsFrom: "root",
      maskAs: masksFor(device),
      threads: runtime.threads,
      choose: formulations.choose,
    }));
  return program!;
}

/**
 * Trains the unsplit model in this process: a pipeline of one stage, through the same code.
 *
 * @returns the files of the trained model
 */
export async function trainSingle(o: LocalTraining): Promise<string[]> {
  const { request, config, home, out } = o;
  const host = recordedHost(o.host);
  const threads = request.threads ?? (config.threads === "auto" ? undefined : config.threads);
  const device = request.device ?? config.device;
  const planned = new NodeData(home);
  // What is traced and folded must not depend on where the model is trained.
  using onHost = Runtime.open(threads === undefined ? {} : { threads });
  using runtime = Runtime.open({ device });
  const sizes = (graph: Graph) => sizesOfData(graph, config.data.train);
  const model = await loadModel(config.model, onHost.evaluate, sizes);
  const stored = storedStage(await wholeProgram(o, model, onHost, device));
  const settings = settingsOf(config, { schedule: config.schedule, inFlight: 1 });
  await using stage = await openStage(runtime, stored, settings);
  using source = await RunData.open(stored.manifest.inputs, {
    ...config.data,
    seed: config.seed,
    ...(await exists(planned.root) ? { tokens: planned.tokens } : {}),
    warn: (message) => host.emit({ event: "warning", message }),
  });
  let files: string[] = [];
  using trace = request.trace === true
    ? new RunTrace(traceFile(home, SINGLE.node), SINGLE, host.emit)
    : undefined;
  await trainStage({
    node: "this process",
    stored,
    stage,
    settings,
    links: new Map(),
    source,
    terms: termsOf(config, settings, { source, batchSize: config.batch_size }),
    metrics: home,
    host,
    trace,
    save: async () => {
      if (!config.save) return;
      const graph = withTensors(model.whole, await stage.tensors(), model.file);
      files = await writeTrained(graph, { out, force: request.force });
    },
    broken: async (progress) => {
      const file = join(home, "checkpoint.safetensors");
      await moveAside(file);
      await saveState(file, await stage.tensors(), { ...progress, stage: 0, complete: false });
      host.emit({ event: "saved", node: "this process", file });
    },
  });
  return files;
}
