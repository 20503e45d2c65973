import { decomposed } from "../autodiff/mod.ts";
import { readDataset, readWhole } from "../data/mod.ts";
import type { DataFiles } from "../data/mod.ts";
import {
  checkGraph,
  foldConstants,
  hasFreeSizes,
  readModel,
  traceFacts,
  withChosenBranches,
  withFreeBatch,
  withSizes,
} from "../onnx/mod.ts";
import type { Evaluate, Facts, Graph, SizeOptions, TracedFacts } from "../onnx/mod.ts";
import { messageOf, RavnError } from "../error.ts";
import { dirname, isAbsolute, join, normalize } from "node:path";

/** A model that has been read, checked and traced. */
export interface LoadedModel {
  readonly file: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Without shape arithmetic, with a free batch dimension, all other sizes fixed. */
  readonly graph: Graph;
  /** As the file has it, but for a free batch dimension. */
  readonly whole: Graph;
  readonly facts: Facts;
  /** Its data files, relative to its folder. */
  readonly external: readonly string[];
}

/** A model file that has been read. */
export interface ReadModel {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly graph: Graph;
  /** The data files that it names, relative to its folder. */
  readonly external: readonly string[];
}

/**
 * Reads a model file and the external data it names, which must lie in its folder or below.
 *
 * @param folder where the external data lie, if not in the model's folder
 * @throws {RavnError} naming the file, node and operator where the model is wrong
 */
export async function readModelFile(file: string, folder = dirname(file)): Promise<ReadModel> {
  const bytes = await readWhole(file);
  const locations: string[] = [];
  const external = (location: string): Uint8Array => {
    const path = normalize(location);
    if (isAbsolute(path) || path.startsWith("..")) {
      throw new RavnError(`${file}: its data file "${location}" lies outside its folder`);
    }
    locations.push(location);
    try {
      return Deno.readFileSync(join(folder, path));
    } catch (thrown) {
      throw new RavnError(
        `${file}: its data file ${join(folder, path)} cannot be read: ${messageOf(thrown)}`,
      );
    }
  };
  return { bytes, graph: readModel(bytes, { file, external }), external: locations };
}

/** Samples with which a model is run: it keeps all its values, and shapes are known per sample. */
const TRACED_SAMPLES = 2;

/**
 * Reads a model and finds the type and shape of every value, by running it with few samples.
 *
 * @param known what is known of free dimensions other than the batch
 */
export async function loadModel(
  file: string,
  evaluate: Evaluate,
  known: (graph: Graph) => SizeOptions | Promise<SizeOptions> = () => ({}),
): Promise<LoadedModel> {
  const { bytes, graph, external } = await readModelFile(file);
  const options = { ...await known(graph), file };
  const free = await withFreeBatch(withSizes(graph, options, file), evaluate, options);
  const trace = (traced: Graph) =>
    traceFacts(traced, evaluate, { batch: TRACED_SAMPLES, ...options });
  const traced = await trace(free);
  const plain = await inPlainOperators(free, traced, trace);
  checkGraph(plain, { file });
  const isAsTraced = plain.nodes.length === free.nodes.length &&
    plain.nodes.every((node, i) => node === free.nodes[i]);
  const facts = isAsTraced ? traced : await trace(plain);
  const whole = hasFreeSizes(graph) ? graph : free;
  return { file, bytes, graph: plain, whole, facts, external };
}

/** The graph without shape arithmetic, known branches, and operators that have no gradient. */
async function inPlainOperators(
  graph: Graph,
  traced: TracedFacts,
  trace: (graph: Graph) => Promise<TracedFacts>,
): Promise<Graph> {
  const folded = foldConstants(graph, traced);
  const chosen = withChosenBranches(folded);
  if (chosen === folded) return decomposed(folded, traced);
  const again = await trace(chosen);
  return decomposed(foldConstants(chosen, again), again);
}

/**
 * What data say about the free dimensions of a model: a sequence is as long as in the samples.
 *
 * @throws {RavnError} naming the file where it cannot be read
 */
export async function sizesOfData(graph: Graph, data: DataFiles): Promise<SizeOptions> {
  if (!hasFreeSizes(graph)) return {};
  const { inputs, made } = await readDataset(data);
  const shapes = new Map<string, readonly number[]>();
  for (const [name, { dims }] of inputs) shapes.set(name, [1, ...dims]);
  for (const { name, dims } of made?.inputs ?? []) shapes.set(name, [1, ...dims]);
  const [only] = graph.inputs;
  const alone = shapes.size === 1 ? [...shapes.values()][0] : undefined;
  if (graph.inputs.length === 1 && alone !== undefined) {
    return { shapes: new Map([[only!.name, alone]]) };
  }
  return { shapes };
}

/**
 * Does something with a model that does not know the file (or the stage's folder) it came from.
 *
 * @throws {RavnError} as `step` does, with the file's name
 */
export async function inModelFile<T>(file: string, step: () => T | Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (thrown) {
    if (!(thrown instanceof RavnError)) throw thrown;
    const { message, exitCode } = thrown;
    throw new RavnError(`${file}: ${message}`, { exitCode, cause: thrown });
  }
}
