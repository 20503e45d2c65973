import { RavnError } from "../error.ts";
import { type Fact, sizeAt } from "../onnx/facts.ts";
import type { ValueInfo } from "../onnx/graph.ts";
import { type DType, DTYPES, elementCount } from "../onnx/tensor.ts";
import type { Column } from "./column.ts";
import { widens } from "./elements.ts";
import { type Gather, gatherOf } from "./gather.ts";
import type { OnError, Recipe } from "./made/recipe.ts";

/** A place that a column can feed: a model input, or the labels that a loss takes. */
export interface Slot {
  readonly name: string;
  readonly dtype: DType;
  /** Shape of one sample, the batch dimension left out; undefined where only known at run time. */
  readonly dims: readonly (number | undefined)[];
}

/** A column or made value that was checked against a slot, ready to be read in batches. */
export interface Feed {
  readonly name: string;
  readonly dtype: DType;
  /** Shape of one sample as the model takes it. */
  readonly dims: readonly number[];
  /** Bytes of one sample as the model takes it. */
  readonly sampleBytes: number;
  /** How samples are copied out of memory, or the name of the value that is made for each. */
  readonly from: Gather | string;
}

/** A value that is not read from a file as it is, but made for each sample and epoch. */
export interface MadeValue {
  readonly name: string;
  /** Where it comes from, for error messages. */
  readonly source: string;
  readonly dtype: DType;
  /** Shape of one sample. */
  readonly dims: readonly number[];
}

/** Samples that are made when they are needed. */
export interface MadeSamples {
  readonly source: string;
  readonly count: number;
  readonly how: Recipe["how"];
  readonly onError: OnError;
  readonly inputs: readonly MadeValue[];
  readonly labels: readonly MadeValue[];
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

/** Columns by name. Under the name "" lies the one whose file was given alone. */
export type Columns = ReadonlyMap<string, Column>;

/** Columns of equally many samples, and what is made for each sample. */
export class Dataset {
  readonly count: number;
  readonly inputs: Columns;
  readonly labels: Columns;
  readonly made: MadeSamples | undefined;

  /** @throws {RavnError} when the columns differ in their number of samples. */
  constructor(inputs: Columns, labels: Columns, made?: MadeSamples) {
    const columns = [...inputs.values(), ...labels.values()];
    const [first, ...others] = made === undefined ? columns : [made, ...columns];
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
    this.made = made;
  }

  /** Checks the input columns against the model's inputs; the feeds are in the order of `slots`. */
  inputFeeds(slots: readonly Slot[]): Feed[] {
    return feedsOf(this.inputs, this.made?.inputs ?? [], slots, "input");
  }

  /** Checks the label columns against what the loss takes; feeds in the order of `slots`. */
  labelFeeds(slots: readonly Slot[]): Feed[] {
    return feedsOf(this.labels, this.made?.labels ?? [], slots, "label");
  }
}

function feedsOf(
  columns: Columns,
  made: readonly MadeValue[],
  slots: readonly Slot[],
  what: string,
): Feed[] {
  const alone = columns.get("") ?? (made.length === 1 && columns.size === 0 ? made[0] : undefined);
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
    const value = columns.get(slot.name) ??
      made.find(({ name }) => slot.name === name || slot.name.endsWith(`.${name}`));
    if (value !== undefined) return feedOf(value, slot, what);
    const expected = made.length === 0
      ? "expected one under that name"
      : `the data have ${made.map(({ name }) => name).join(", ")}`;
    throw new RavnError(`no data file for ${what} "${slot.name}"; ${expected}`);
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
function fitDims(column: Column | MadeValue, slot: Slot): readonly number[] | undefined {
  const { dims } = column;
  const fits = dims.length === slot.dims.length &&
    slot.dims.every((dim, axis) => dim === undefined || dim === dims[axis]);
  if (fits) return dims;
  const known = slot.dims.filter((dim) => dim !== undefined);
  if (known.length < slot.dims.length) return undefined;
  return sameOrder(known, dims) ? known : undefined;
}

function feedOf(column: Column | MadeValue, slot: Slot, what: string): Feed {
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
    from: "bytes" in column ? gatherOf(column, slot.dtype) : madeName(column, slot, what),
  };
}

/** The name of a made value, once it is known to go with the slot's element type. */
function madeName({ name, source, dtype }: MadeValue, slot: Slot, what: string): string {
  const numbers = !["string", "bfloat16", "bool"].includes(slot.dtype);
  if (numbers && widens(dtype, slot.dtype)) return name;
  throw new RavnError(
    `${source}: makes ${dtype} for ${what} "${slot.name}", which takes ${slot.dtype}`,
  );
}
