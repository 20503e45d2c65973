import { byteCount, dimsAt, elementCount } from "../onnx/mod.ts";
import {
  addRows,
  alignedBytes,
  clearRows,
  floatsOf,
  marksBytes,
  openRows,
  rowNumbers,
} from "../runtime/mod.ts";
import type { RowTable, Runtime, TensorView, Value } from "../runtime/mod.ts";
import { eventLoop } from "../event_loop.ts";
import { PortBuffers } from "./port_buffers.ts";
import type { Allocate } from "./port_buffers.ts";
import type { GradientGraph, LeftPort, RowsLeft, TableRows } from "./table_rows.ts";
import type { WeightStore } from "./weight_store.ts";

/** Elements that are added up at one go: about a quarter of a millisecond. */
const SLICE_FLOATS = 2 ** 20;

/** Elements that are copied at one go, where they must be. */
const PASSING_FLOATS = 2 ** 14;

/** Rows of a graph with the memory that they take. */
interface Use {
  readonly rows: TableRows;
  /** Of the largest micro-batch: which row of the table each belongs to. */
  readonly numbers: Uint32Array;
  /** Where the rows may lie, in the slab of the table. */
  readonly near: Uint8Array;
}

/** A table's gradient and what is added to it after a graph's run. */
interface Table {
  readonly gradient: RowTable;
  /** Whether a graph has written another part of it before. */
  readonly isWritten: boolean;
  readonly uses: readonly Use[];
}

/** Sizes in bytes of what a gradient's rows take beside it, by the gradient's name. */
export function bytesBeside(left: RowsLeft, batch: number): Map<string, number[]> {
  const sizes = new Map<string, number[]>();
  for (const { gradient, height, rows, indices } of [...left.rows.values()].flat()) {
    const known = sizes.get(gradient) ?? [marksBytes(height)];
    const count = elementCount(dimsAt(indices.dims, batch));
    sizes.set(gradient, [...known, count * 4, byteCount("float32", dimsAt(rows.dims, batch))]);
  }
  return sizes;
}

/**
 * Adds the rows that a stage's graphs leave to the gradients of its tables, in the order of the
 * indices, whatever the number of threads. Rows of a gradient that an update does not touch are
 * zero; they are not written, but for those of the update before.
 */
export class TableGradients implements Disposable {
  readonly #tables: ReadonlyMap<GradientGraph, readonly Table[]>;
  readonly #left: RowsLeft;
  /** Where graphs leave rows and indices, by value. */
  readonly #buffers: ReadonlyMap<string, PortBuffers>;

  /** @param weights made with the memory that `bytesBeside` names */
  constructor(
    o: {
      readonly runtime: Runtime;
      readonly weights: WeightStore;
      readonly left: RowsLeft;
      readonly batch: number;
    },
  ) {
    const { runtime, left, batch } = o;
    this.#left = left;
    this.#tables = new Map([...left.rows].map(([graph, rows]) => {
      const names = [...new Set(rows.map(({ gradient }) => gradient))];
      return [graph, names.map((name) => tableOf(name, rows, o))];
    }));
    const buffers = new Map<string, PortBuffers>();
    const make = (port: LeftPort, allocate: Allocate) => {
      if (!port.isLeft || buffers.has(port.value)) return;
      buffers.set(port.value, new PortBuffers(runtime, [port], { copies: 1, batch, allocate }));
    };
    for (const { rows: { rows, indices }, near } of this.#uses()) {
      make(rows, () => near);
      make(indices, alignedBytes);
    }
    this.#buffers = buffers;
  }

  /** Where a graph leaves `value`, rows or indices, where it does so for this alone. */
  tensor(value: string, samples: number): Value | undefined {
    return this.#buffers.get(value)?.tensor(0, value, samples);
  }

  /** What is read after a run of `graph` and not left for this alone. */
  reads(graph: GradientGraph): string[] {
    const ports = (this.#left.rows.get(graph) ?? []).flatMap((o) => [o.rows, o.indices]);
    return ports.flatMap(({ value, isLeft }) => isLeft ? [] : [value]);
  }

  /**
   * Adds what a run of `graph` over `samples` samples left.
   *
   * @param first whether the run was the first of an update
   * @param valueOf a value of the graph that it was given, or left for others too
   * @throws {RavnError} at an index outside its table
   */
  async add(
    graph: GradientGraph,
    run: {
      readonly samples: number;
      readonly first: boolean;
      readonly valueOf: (value: string) => TensorView;
    },
  ): Promise<void> {
    const { samples, first, valueOf } = run;
    for (const { gradient, isWritten, uses } of this.#tables.get(graph) ?? []) {
      const isNew = first && !isWritten;
      if (isNew) openRows(gradient);
      for (const { rows, numbers, near } of uses) {
        const { dims } = rows.indices;
        const own = numbers.subarray(0, elementCount(dimsAt(dims, samples)));
        const [indices, given] = [rows.indices, rows.rows].map(({ value }) =>
          this.tensor(value, samples) ?? valueOf(value)
        ) as [TensorView, TensorView];
        rowNumbers(indices, rows.height, own);
        await addInSlices(gradient, own, floatsOf(given.bytes), floatsOf(near));
      }
      if (isNew) clearRows(gradient);
    }
  }

  #uses(): Use[] {
    return [...this.#tables.values()].flatMap((tables) => tables.flatMap(({ uses }) => uses));
  }

  [Symbol.dispose](): void {
    for (const buffers of this.#buffers.values()) buffers[Symbol.dispose]();
  }
}

function tableOf(
  name: string,
  rows: readonly TableRows[],
  { weights, left }: { readonly weights: WeightStore; readonly left: RowsLeft },
): Table {
  const target = floatsOf(weights.gradient(name, true).bytes);
  const [marks, ...memory] = weights.beside(name) as [Uint8Array, ...Uint8Array[]];
  const ofTable = rows.filter(({ gradient }) => gradient === name);
  const isWritten = left.written.has(name);
  // What a graph has written stays, in every row.
  if (isWritten) marks.fill(1);
  return {
    gradient: { target, marks, width: target.length / ofTable[0]!.height },
    isWritten,
    uses: ofTable.map((rows, i) => {
      const { buffer, byteOffset, byteLength } = memory[2 * i]!;
      const numbers = new Uint32Array(buffer, byteOffset, byteLength / 4);
      return { rows, numbers, near: memory[2 * i + 1]! };
    }),
  };
}

/**
 * Adds the rows `given`. Where they lie elsewhere than the table they pass through the beginning of
 * `near`, a few at a time, so that it stays in the cache.
 */
async function addInSlices(
  table: RowTable,
  numbers: Uint32Array,
  given: Float32Array,
  near: Float32Array,
): Promise<void> {
  const { target, width } = table;
  const isNear = given.buffer === target.buffer;
  const count = Math.max(1, Math.floor((isNear ? SLICE_FLOATS : PASSING_FLOATS) / width));
  let added = 0;
  for (let at = 0; at < numbers.length; at += count) {
    if (added >= SLICE_FLOATS) {
      // Lets messages through.
      await eventLoop();
      added = 0;
    }
    added += count * width;
    const slice = given.subarray(at * width, (at + count) * width);
    if (!isNear) near.set(slice);
    const source = isNear ? slice : near.subarray(0, slice.length);
    addRows(table, numbers.subarray(at, at + count), source);
  }
}
