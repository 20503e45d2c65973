import { dropoutKeeps, movedPoint, randomDirection } from "../autodiff/mod.ts";
import type { Mask, Point } from "../autodiff/mod.ts";
import { gatherOf, readColumn } from "../data/mod.ts";
import type { Column } from "../data/mod.ts";
import { RavnError } from "../error.ts";
import { byteCount, consumers, dimsAt, elementCount, isFloat, tensor } from "../onnx/mod.ts";
import type { DType, Facts, Graph, Tensor, ValueInfo } from "../onnx/mod.ts";
import type { Random } from "../random.ts";
import type { Inputs } from "./requests.ts";

/** Operators that hand indices on as they are. */
const PASSING = new Set(["Cast", "Identity", "Squeeze", "Unsqueeze", "Reshape", "Flatten"]);

/** Seed of the dropout masks. */
const MASK_SEED = 1;

/** Parameters are moved by this part of their size, so that zeros and ties are no kinks. */
const JITTER = 0.1;

/**
 * The first samples of the data files, one for each input of a model; an .npz file alone holds all
 * inputs under their names.
 *
 * @throws {RavnError} naming the file where it does not fit the input
 */
export async function exampleInputs(
  graph: Graph,
  files: Inputs,
  samplesMax: number,
): Promise<Map<string, Tensor>> {
  const [only] = graph.inputs;
  const sources = typeof files !== "string"
    ? files
    : files.endsWith(".npz") && graph.inputs.length > 1
    ? Object.fromEntries(graph.inputs.map(({ name }) => [name, `${files}#${name}`]))
    : { [only?.name ?? ""]: files };
  const examples = new Map<string, Tensor>();
  let samples = samplesMax;
  for (const info of graph.inputs) {
    const source = sources[info.name];
    if (source === undefined) {
      throw new RavnError(`no data for input "${info.name}"; give --inputs ${info.name}=<file>`);
    }
    const column = await readColumn(source);
    checkShape(info, column);
    samples = Math.min(samples, column.count);
    const dims = [samples, ...column.dims];
    const bytes = new Uint8Array(byteCount(info.dtype, dims));
    gatherOf(column, info.dtype)(Uint32Array.from({ length: samples }, (_, i) => i), bytes);
    examples.set(info.name, { dtype: info.dtype, dims, bytes });
  }
  return new Map([...examples].map(([name, value]) => [name, firstSamples(value, samples)]));
}

function checkShape({ name, shape = [] }: ValueInfo, { source, dims }: Column): void {
  const [, ...wanted] = shape;
  const fits = dims.length === wanted.length &&
    dims.every((dim, axis) => typeof wanted[axis] !== "number" || dim === wanted[axis]);
  if (shape.length === 0 || fits) return;
  throw new RavnError(
    `${source}: samples have the shape [${dims}], input "${name}" takes [${wanted}]`,
  );
}

function firstSamples(value: Tensor, samples: number): Tensor {
  const dims = [samples, ...value.dims.slice(1)];
  return { ...value, dims, bytes: value.bytes.slice(0, byteCount(value.dtype, dims)) };
}

/**
 * Made-up values for the inputs of a model: floats from N(0, 1), integers that are indices at
 * random within the table they look up, other integers and booleans 1.
 */
export function madeUpInputs(
  graph: Graph,
  facts: Facts,
  batch: number,
  random: Random,
): Map<string, Tensor> {
  return new Map(graph.inputs.map(({ name }) => {
    const { dtype, dims: extents } = facts.get(name)!;
    const dims = dimsAt(extents, batch);
    const draw = drawOf(graph, facts, name, dtype, random);
    return [name, tensor(dtype, dims, Array.from({ length: elementCount(dims) }, draw))];
  }));
}

function drawOf(
  graph: Graph,
  facts: Facts,
  input: string,
  dtype: DType,
  random: Random,
): () => number {
  if (isFloat(dtype)) return () => random.normal();
  const bound = indexBound(graph, facts, input);
  return bound === undefined ? () => 1 : () => random.integer(bound);
}

/** Rows of the smallest table that the integers of `input` look up; undefined where they do not. */
function indexBound(graph: Graph, facts: Facts, input: string): number | undefined {
  const readers = consumers(graph);
  let bound: number | undefined;
  const waiting = [input];
  for (let value = waiting.pop(); value !== undefined; value = waiting.pop()) {
    for (const { op, inputs, outputs, attributes } of readers.get(value) ?? []) {
      if (PASSING.has(op) && inputs[0] === value) waiting.push(outputs[0]!);
      const looksUp = op === "Gather" || op === "GatherElements";
      if (!looksUp || inputs[1] !== value) continue;
      const table = facts.get(inputs[0]!)?.dims ?? [];
      const given = attributes["axis"];
      const axis = given?.type === "int" ? given.value : 0;
      const rows = table[axis < 0 ? axis + table.length : axis];
      if (typeof rows === "number") bound = Math.min(bound ?? rows, rows);
    }
  }
  return bound;
}

/** The dropout masks of a training graph, at a batch size. */
export function dropoutMasks(masks: readonly Mask[], batch: number): Map<string, Tensor> {
  return new Map(masks.map(({ input, dims: extents, ratio, salt }) => {
    const dims = dimsAt(extents, batch);
    const kept = 1 / (1 - ratio);
    const values = Float32Array.from(
      { length: elementCount(dims) },
      (_, i) => dropoutKeeps(MASK_SEED, 0, salt, i, ratio) ? kept : 0,
    );
    return [input, tensor("float32", dims, values)];
  }));
}

/** Values moved a little at random, by a part of their size. */
export function jittered(
  values: Iterable<readonly [string, Tensor]>,
  random: Random,
): Map<string, Tensor> {
  const point = new Map(values);
  return new Map(movedPoint(point, randomDirection(point, point.keys(), random), JITTER));
}

/** The values of a point that a graph takes, by the names of its inputs. */
export function feedsOf(inputs: readonly { readonly name: string }[], point: Point): Point {
  return new Map(inputs.map(({ name }) => {
    const value = point.get(name);
    if (value === undefined) throw new Error(`nothing feeds "${name}"`);
    return [name, value];
  }));
}
