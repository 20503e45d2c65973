import { readWhole } from "../data/mod.ts";
import { checkGraph, foldConstants, readModel, traceFacts, withFreeBatch } from "../onnx/mod.ts";
import type { Evaluate, Facts, Graph } from "../onnx/mod.ts";
import { RavnError } from "../error.ts";
import { dirname, isAbsolute, join, normalize } from "node:path";

/** A model that has been read, checked and traced. */
export interface LoadedModel {
  readonly file: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Without shape arithmetic, and with a free batch dimension. */
  readonly graph: Graph;
  readonly facts: Facts;
}

/**
 * Reads a model file and the external data it names, which must lie in its folder or below.
 *
 * @throws {RavnError} naming the file, node and operator where the model is wrong
 */
export async function readModelFile(
  file: string,
): Promise<{ readonly bytes: Uint8Array<ArrayBuffer>; readonly graph: Graph }> {
  const bytes = await readWhole(file);
  const external = (location: string): Uint8Array => {
    const path = normalize(location);
    if (isAbsolute(path) || path.startsWith("..")) {
      throw new RavnError(`${file}: its data file "${location}" lies outside its folder`);
    }
    return Deno.readFileSync(join(dirname(file), path));
  };
  return { bytes, graph: readModel(bytes, { file, external }) };
}

/**
 * Reads a model and finds the type and shape of every value, by running it.
 *
 * @param batch samples in a batch
 */
export async function loadModel(
  file: string,
  evaluate: Evaluate,
  batch: number,
): Promise<LoadedModel> {
  const { bytes, graph } = await readModelFile(file);
  const free = await withFreeBatch(graph, evaluate, { file });
  const traced = await traceFacts(free, evaluate, { batch, file });
  const folded = foldConstants(free, traced);
  checkGraph(folded, { file });
  const facts = await traceFacts(folded, evaluate, { batch, file });
  return { file, bytes, graph: folded, facts };
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
