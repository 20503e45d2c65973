import { RavnError } from "../error.ts";
import { type Fact, sizeAt } from "../onnx/facts.ts";
import type { ValueInfo } from "../onnx/graph.ts";
import { type DType, DTYPES, elementCount } from "../onnx/tensor.ts";
import { type Column, readColumn } from "./column.ts";
import { type Gather, gatherOf } from "./gather.ts";

/** The files of a data set, as `ravn.yaml` names them. */
export interface DataFiles {
  /** One file, or files by the name of the model input they feed. */
  readonly inputs?: string | Readonly<Record<string, string>> | undefined;
  /** Likewise; absent where the model computes its own loss or nothing is compared. */
  readonly labels?: string | Readonly<Record<string, string>> | undefined;
}

/** A place that a column can feed: a model input, or the labels that a loss takes. */
export interface Slot {
  readonly name: string;
  readonly dtype: DType;
  /** Shape of one sample, the batch dimension left out; undefined where only known at run time. */
  readonly dims: readonly (number | undefined)[];
}

/** A column that was checked against a slot, ready to be read in batches. */
export interface Feed {
  readonly name: string;
  readonly dtype: DType;
  /** Shape of one sample as the model takes it. */
  readonly dims: readonly number[];
  /** Bytes of one sample as the model takes it. */
  readonly sampleBytes: number;
  readonly gather: Gather;
}

/** The slot of a graph input: its first dimension is the batch, other named ones are unknown. */
export function slotOf(info: ValueInfo): Slot {
  const dims = (info.shape ?? []).slice(1);
  return {
    name: info.name,
    dtype: info.dtype,
    dims: dims.map((dim) => typeof dim === "number" ? dim : undefined),
  };
}

/** The slot of a traced value: its first dimension is the batch. */
export function slotOfFact(name: string, { dtype, dims }: Fact): Slot {
  return { name, dtype, dims: dims.slice(1).map((extent) => sizeAt(extent, 1)) };
}

type Columns = ReadonlyMap<string, Column>;

/** Columns of equally many samples. Under the name "" lies the one whose file was given alone. */
export class Dataset {
  readonly count: number;
  readonly inputs: Columns;
  readonly labels: Columns;

  /** @throws {RavnError} when the columns differ in their number of samples. */
  constructor(inputs: Columns, labels: Columns) {
    const [first, ...others] = [...inputs.values(), ...labels.values()];
    if (first === undefined) throw new RavnError("a data set needs a file of inputs or labels");
    for (const other of others) {
      if (other.count !== first.count) {
        throw new RavnError(
          `${first.source} has ${first.count} samples, ${other.source} ${other.count}; ` +
            `expected as many in both`,
        );
      }
    }
    this.count = first.count;
    this.inputs = inputs;
    this.labels = labels;
  }

  /** Checks the input columns against the model's inputs; the feeds are in the order of `slots`. */
  inputFeeds(slots: readonly Slot[]): Feed[] {
    return feedsOf(this.inputs, slots, "input");
  }

  /** Checks the label columns against what the loss takes; feeds in the order of `slots`. */
  labelFeeds(slots: readonly Slot[]): Feed[] {
    return feedsOf(this.labels, slots, "label");
  }
}

async function readColumns(files: DataFiles["inputs"]): Promise<Columns> {
  const sources = typeof files === "string" ? { "": files } : files ?? {};
  const columns = new Map<string, Column>();
  for (const [name, source] of Object.entries(sources)) columns.set(name, await readColumn(source));
  return columns;
}

/**
 * Reads the files of a data set into memory, in the element types they are stored in.
 *
 * @throws {RavnError} naming the file that is missing, damaged or of another length.
 */
export async function readDataset(files: DataFiles): Promise<Dataset> {
  return new Dataset(await readColumns(files.inputs), await readColumns(files.labels));
}

function feedsOf(columns: Columns, slots: readonly Slot[], what: string): Feed[] {
  const alone = columns.get("");
  if (alone !== undefined) {
    const [slot, ...others] = slots;
    if (slot !== undefined && others.length === 0) return [feedOf(alone, slot, what)];
    const names = slots.map(({ name }) => name).join(", ");
    throw new RavnError(
      `${alone.source}: the model has ${slots.length} ${what}s (${names}); ` +
        `expected a map of ${what} name to file`,
    );
  }
  const known = new Set(slots.map(({ name }) => name));
  for (const [name, { source }] of columns) {
    if (known.has(name)) continue;
    throw new RavnError(
      `${source}: the model has no ${what} "${name}"; it has ${[...known].join(", ") || "none"}`,
    );
  }
  return slots.map((slot) => {
    const column = columns.get(slot.name);
    if (column !== undefined) return feedOf(column, slot, what);
    throw new RavnError(`no data file for ${what} "${slot.name}"; expected one under that name`);
  });
}

function shapeText(dims: readonly (number | undefined)[]): string {
  return `[${["batch", ...dims.map((dim) => dim ?? "?")].join(",")}]`;
}

/** True where each of `coarse` is the product of the next ones of `fine`: rows laid end to end. */
function refines(fine: readonly number[], coarse: readonly number[]): boolean {
  let next = 0;
  return coarse.every((dim) => {
    let product = 1;
    while (product < dim && next < fine.length) product *= fine[next++]!;
    return product === dim;
  }) && next === fine.length;
}

/** True where the same elements in the same order make both shapes, and no axes change places. */
function sameOrder(a: readonly number[], b: readonly number[]): boolean {
  const [x, y] = [a, b].map((dims) => dims.filter((dim) => dim !== 1)) as [number[], number[]];
  return refines(x, y) || refines(y, x);
}

/**
 * Shape that a sample takes in the model: equal, or with axes joined or parted. Images with their
 * channels last do not pass for images with their channels first.
 */
function fitDims(column: Column, slot: Slot): readonly number[] | undefined {
  const { dims } = column;
  const fits = dims.length === slot.dims.length &&
    slot.dims.every((dim, axis) => dim === undefined || dim === dims[axis]);
  if (fits) return dims;
  const known = slot.dims.filter((dim) => dim !== undefined);
  if (known.length < slot.dims.length) return undefined;
  return sameOrder(known, dims) ? known : undefined;
}

function feedOf(column: Column, slot: Slot, what: string): Feed {
  const dims = fitDims(column, slot);
  if (dims === undefined) {
    throw new RavnError(
      `${column.source}: has the wrong shape for ${what} "${slot.name}": ` +
        `the file has ${shapeText(column.dims)}, the model takes ${shapeText(slot.dims)}`,
    );
  }
  return {
    name: slot.name,
    dtype: slot.dtype,
    dims,
    sampleBytes: elementCount(dims) * DTYPES[slot.dtype].bytes,
    gather: gatherOf(column, slot.dtype),
  };
}
