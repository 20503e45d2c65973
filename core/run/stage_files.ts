import { join } from "node:path";
import { readSafetensors, readWhole, writeSafetensors, writeWhole } from "../data/mod.ts";
import { readModel, writeModel } from "../onnx/mod.ts";
import type { Graph, Tensor } from "../onnx/mod.ts";
import { stageManifest } from "../training/mod.ts";
import type { StageManifest, StageModels, StageProgram } from "../training/mod.ts";
import { RavnError } from "../error.ts";
import { readJson, stageFiles } from "./node_data.ts";

const GRAPHS = ["forward", "backward", "weights", "step", "evaluate"] as const;

type GraphName = typeof GRAPHS[number];

/** A stage as it lies in its folder, ready to be run. */
export interface StoredStage {
  readonly manifest: StageManifest;
  readonly models: StageModels;
  /** Initial weights and running statistics by name. */
  readonly tensors: ReadonlyMap<string, Tensor>;
}

/** The files of a stage by name, relative to its folder, as `writeStage` makes them. */
export function stageContents(program: StageProgram): Map<string, Uint8Array | string> {
  const { manifest, graphs, part, weights } = program;
  const { stage } = manifest;
  const files = new Map<string, Uint8Array | string>();
  const names = stageFiles("", stage);
  files.set(names.manifest, json(manifest));
  files.set(names.submodel, writeModel(withWeights(part, weights)));
  files.set(names.input, json(manifest.inputs));
  files.set(names.output, json(manifest.outputs));
  if (stage === 0) {
    files.set(names.modelInputs, json(manifest.inputs.filter(({ from }) => from === "data")));
  }
  for (const graph of GRAPHS) {
    const model = graphs[graph];
    if (model !== undefined) files.set(names.graph(graph), writeModel(model));
  }
  return files;
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

function withWeights(part: Graph, weights: ReadonlyMap<string, Tensor>): Graph {
  return { ...part, initializers: new Map([...part.initializers, ...weights]) };
}

/** The stage of a program that need not go through files. */
export function storedStage({ manifest, graphs, weights }: StageProgram): StoredStage {
  const models = Object.fromEntries(
    Object.entries(graphs).map(([name, graph]) => [name, writeModel(graph)]),
  );
  return { manifest, models, tensors: weights };
}

/**
 * Reads a stage's folder.
 *
 * @throws {RavnError} naming the file that is missing or damaged
 */
export async function readStage(folder: string): Promise<StoredStage> {
  const again = "run ravn clusterize, or copy the node's folder here";
  const manifest = await readJson(stageFiles(folder, 0).manifest, stageManifest, again);
  const files = stageFiles(folder, manifest.stage);
  const models: { [graph in GraphName]?: Uint8Array } = {};
  for (const graph of graphsOf(manifest)) models[graph] = await readWhole(files.graph(graph));
  const file = files.submodel;
  const { initializers } = readModel(await readWhole(file), { file });
  return { manifest, models, tensors: initializers };
}

/** The graphs that a stage has: a file of an earlier plan must not count, nor one be missing. */
function graphsOf(manifest: StageManifest): GraphName[] {
  const { head, inputs, parameters, deferred } = manifest;
  const left = deferred ?? parameters;
  const goesBack = left.length > 0 || inputs.some(({ gradient }) => gradient !== undefined);
  const forward: GraphName[] = head === undefined ? ["forward"] : ["step"];
  return [
    ...forward,
    ...(head === undefined && goesBack ? ["backward"] as const : []),
    ...(deferred !== undefined ? ["weights"] as const : []),
    "evaluate",
  ];
}

/** What is known of weights that were saved. */
export interface SavedState {
  readonly run_id: string;
  readonly stage: number;
  /** Updates that made them. */
  readonly updates: number;
  /** False for weights that were saved when a run broke off. */
  readonly complete: boolean;
}

/** Saves weights and running statistics whole, with what they are. */
export async function saveState(
  file: string,
  tensors: ReadonlyMap<string, Tensor>,
  state: SavedState,
): Promise<void> {
  const metadata = new Map(Object.entries(state).map(([key, value]) => [key, String(value)]));
  await writeWhole(file, writeSafetensors(tensors, metadata));
}

/** Reads saved weights. @throws {RavnError} where the file is damaged or says not what it is */
export async function readState(
  file: string,
): Promise<{ readonly tensors: ReadonlyMap<string, Tensor>; readonly state: SavedState }> {
  const { tensors, metadata } = readSafetensors(await readWhole(file), file);
  const run_id = metadata.get("run_id");
  const updates = Number(metadata.get("updates"));
  const stage = Number(metadata.get("stage"));
  if (run_id === undefined || !Number.isInteger(updates) || !Number.isInteger(stage)) {
    throw new RavnError(`${file} does not say which run made it; train the cluster again`);
  }
  return {
    tensors,
    state: { run_id, updates, stage, complete: metadata.get("complete") === "true" },
  };
}

/** Writes files into a folder that is made if need be. */
export async function writeFiles(
  folder: string,
  files: ReadonlyMap<string, Uint8Array | string>,
): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  for (const [name, content] of files) await writeWhole(join(folder, name), content);
}
