import { join } from "node:path";
import { inferenceForm } from "../autodiff/mod.ts";
import { readWhole, writeSafetensors, writeWhole } from "../data/mod.ts";
import { RavnError } from "../error.ts";
import { writeModel } from "../onnx/mod.ts";
import type { Graph, Tensor } from "../onnx/mod.ts";
import { modelState, parsePlan } from "../planning/mod.ts";
import type { Plan } from "../planning/mod.ts";
import { exists, NodeData, stageFiles } from "./node_data.ts";
import { readModelFile } from "./model_file.ts";
import { checkKeptModel } from "./planned_model.ts";
import type { FuseReport, FuseRequest } from "./requests.ts";
import { readState } from "./stage_files.ts";

/** Joins the trained stages of a cluster, in the current folder, into one model. */
export async function fuse(request: FuseRequest, folder = "."): Promise<FuseReport> {
  const data = new NodeData(folder);
  const plan = await readPlan(data);
  const stages = plan.clusters[request.cluster]?.stages;
  if (stages === undefined) {
    throw new RavnError(
      `there is no cluster ${request.cluster}; the plan has 0 to ${plan.clusters.length - 1}`,
    );
  }
  const files = stages.map(({ stage, address }) => {
    return stageFiles(join(folder, NodeData.stage(request.cluster, address)), stage);
  });
  await checkKeptModel(data, plan.model);
  const tensors = await trainedTensors(files, request.cluster);
  const { graph } = await readModelFile(data.model, data.modelData);
  const report = await writeTrained(withTensors(graph, tensors, data.model), request);
  return {
    stages: stages.length,
    parameters: plan.clusters[request.cluster]!.stages
      .reduce((sum, { parameter_count }) => sum + parameter_count, 0),
    files: report,
  };
}

/** The plan in `node_data/`. @throws {RavnError} where there is none */
export async function readPlan(data: NodeData): Promise<Plan> {
  if (!await exists(data.plan)) {
    throw new RavnError(`${data.plan} does not exist; run ravn clusterize first`);
  }
  return parsePlan(new TextDecoder().decode(await readWhole(data.plan)), data.plan);
}

/** All tensors of a cluster, if every stage was trained to the end of one and the same run. */
async function trainedTensors(
  stages: readonly ReturnType<typeof stageFiles>[],
  cluster: number,
): Promise<Map<string, Tensor>> {
  const tensors = new Map<string, Tensor>();
  let run: { readonly id: string; readonly updates: number; readonly file: string } | undefined;
  for (const [stage, { trained, checkpoint }] of stages.entries()) {
    if (!await exists(trained)) {
      const half = await exists(checkpoint) ? ", only a checkpoint of a run that broke off" : "";
      throw new RavnError(
        `stage ${stage} of cluster ${cluster} has no trained weights (${trained} is missing` +
          `${half}); train the cluster with save: true, then fuse it`,
      );
    }
    const { tensors: own, state } = await readState(trained);
    run ??= { id: state.run_id, updates: state.updates, file: trained };
    if (!state.complete || state.run_id !== run.id || state.updates !== run.updates) {
      throw new RavnError(
        `${trained} (run ${state.run_id}, ${state.updates} updates) and ${run.file} ` +
          `(run ${run.id}, ${run.updates} updates) are not of one complete run; ` +
          `train the cluster again`,
      );
    }
    for (const [name, tensor] of own) tensors.set(name, tensor);
  }
  return tensors;
}

/** A model with other values for some of its initializers. */
export function withTensors(
  graph: Graph,
  tensors: ReadonlyMap<string, Tensor>,
  file: string,
): Graph {
  const initializers = new Map(graph.initializers);
  for (const [name, tensor] of tensors) {
    if (!initializers.has(name)) {
      throw new RavnError(
        `${file} has no tensor "${name}", which was trained; is it the same model?`,
      );
    }
    initializers.set(name, tensor);
  }
  return { ...graph, initializers };
}

/**
 * Writes a trained model as `trained.onnx`, in inference form, and its tensors under their names as
 * `trained.safetensors`.
 *
 * @throws {RavnError} where a file is there already, unless `force`
 */
export async function writeTrained(
  graph: Graph,
  { out, force }: { readonly out: string; readonly force: boolean },
): Promise<string[]> {
  const model = join(out, "trained.onnx");
  const weights = join(out, "trained.safetensors");
  for (const file of [model, weights]) {
    if (!force && await exists(file)) {
      throw new RavnError(`${file} is there already; give --force to replace it, or another --out`);
    }
  }
  const { trainable, buffers } = modelState(graph);
  const named = [...trainable, ...buffers].map((name) =>
    [name, graph.initializers.get(name)!] as const
  );
  await Deno.mkdir(out, { recursive: true });
  await writeWhole(weights, writeSafetensors(new Map(named)));
  await writeWhole(model, writeModel(inferenceForm(graph)));
  return [model, weights];
}
