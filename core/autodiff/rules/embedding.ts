import { type Extent, tensor } from "../../onnx/mod.ts";
import type { Call } from "../call.ts";

/**
 * Block lengths, by up to how many indices a sample has. Work in the blocks grows with their
 * length, work between them with the square of their number.
 */
const BLOCKS = [
  { indices_max: 64, length: 16 },
  { indices_max: 512, length: 32 },
  { indices_max: Infinity, length: 64 },
] as const;

/** The indices in ascending order, cut into blocks. */
interface Sorted {
  /** [indices], in ascending order. */
  readonly indices: string;
  /** The same as [blocks, length], filled up with −1 where the number does not divide. */
  readonly blocks: string;
  /** The rows of dy in that order: [blocks, length, width]. */
  readonly rows: string;
  readonly length: number;
}

/** A length of blocks for so many indices, and whether the last block is full. */
function blocksFor(count: Extent): { readonly length: number; readonly full: boolean } {
  const size = typeof count === "number" ? count : count.perSample;
  const { length } = BLOCKS.find(({ indices_max }) => size <= indices_max)!;
  return { length, full: size % length === 0 };
}

function sorted(call: Call, count: Extent, rows: number, width: number): Sorted {
  const { emit } = call;
  const { length, full } = blocksFor(count);
  const given = emit.reshape(call.input(1), [-1]);
  const wide = call.dtype(call.input(1)) === "int64" ? given : emit.cast(given, "int64");
  // Indices below 0 count from the end.
  const usual = emit.node("Mod", [wide, emit.scalar("int64", rows)]);
  const size = emit.node("Shape", [usual]);
  const [indices, order] = emit.outputs(2, "TopK", [usual, size], {
    axis: 0,
    largest: 0,
  }) as [string, string];
  let [cut, taken] = [indices, order];
  if (!full) {
    const one = emit.ints([length]);
    const filled = emit.mul(emit.div(emit.add(size, emit.ints([length - 1])), one), one);
    const padded = (a: string, value: number) => {
      const pads = emit.ints([0, length - 1]);
      const longer = emit.node("Pad", [a, pads, emit.scalar("int64", value)]);
      return emit.node("Slice", [longer, emit.ints([0]), filled]);
    };
    [cut, taken] = [padded(indices, -1), padded(order, 0)];
  }
  const dy = emit.reshape(call.dy, [-1, width]);
  return {
    indices,
    blocks: emit.reshape(cut, [-1, length]),
    rows: emit.reshape(emit.node("Gather", [dy, taken]), [-1, length, width]),
    length,
  };
}

/**
 * For each place in a block the sum of the rows with its index, from the start of that index up to
 * the end of the block: in the block by a product with the matrix that says which indices are
 * equal, and from earlier blocks, which then ended with that index, by one more row in the product.
 * Every block has a row of zeros at its end: [blocks · (length + 1), width].
 */
function runningSums(call: Call, { blocks, rows, length }: Sorted, width: number): string {
  const { emit, type } = call;
  const column = (at: number) => emit.node("Gather", [blocks, emit.ints([at])], { axis: 1 });
  const [first, last] = [column(0), column(length - 1)];
  const endsWith = emit.indicator(emit.equal(blocks, last), type);
  const closing = emit.node("MatMul", [emit.reshape(endsWith, [-1, 1, length]), rows]);
  const same = emit.indicator(emit.equal(first, emit.reshape(last, [1, -1])), type);
  const earlier = emit.node("Trilu", [same, emit.scalar("int64", -1)], { upper: 0 });
  const carried = emit.node("MatMul", [earlier, emit.reshape(closing, [-1, width])]);
  const columns = emit.concat([blocks, first], 1);
  // Equal to no index: that row of the product is zero.
  const none = emit.sub(emit.scalar("int64", -2), first);
  const equal = emit.equal(
    emit.reshape(emit.concat([blocks, none], 1), [-1, length + 1, 1]),
    emit.reshape(columns, [-1, 1, length + 1]),
  );
  const parts = emit.concat([rows, emit.reshape(carried, [-1, 1, width])], 1);
  return emit.reshape(emit.node("MatMul", [emit.indicator(equal, type), parts]), [-1, width]);
}

/** For each row of the table the place of its running sum's end, −1 where it was not taken. */
function ends(call: Call, { indices, length }: Sorted, rows: number): string {
  const { emit } = call;
  const following = emit.node("Pad", [indices, emit.ints([-1, 1]), emit.scalar("int64", -1)]);
  const goesOn = emit.equal(indices, following);
  const bounds = [
    emit.scalar("int64", 0),
    emit.reshape(emit.node("Shape", [indices]), []),
    emit.scalar("int64", 1),
  ];
  const at = emit.node("Range", bounds);
  const place = emit.add(
    emit.add(at, emit.scalar("int64", 1)),
    emit.div(at, emit.scalar("int64", length)),
  );
  const nowhere = emit.constant(tensor("int64", [1], [-1]));
  const onto = emit.expand(nowhere, emit.ints([rows]));
  const added = emit.node("Where", [goesOn, emit.scalar("int64", 0), place]);
  const add = { axis: 0, reduction: "add" };
  return emit.node("ScatterElements", [onto, indices, added], add);
}

/**
 * The gradient of a table of which rows were taken at `count` indices (input 1): for each row the
 * sum of the rows of dy at its index. The indices are sorted, rows of equal index summed up in
 * blocks by matrix products, and each row of the result gathered from where its sum ends: the
 * result is written once, and no two threads add to one place.
 */
export function summedRows(
  call: Call,
  o: { readonly count: Extent; readonly rows: number; readonly width: number },
): string {
  const { count, rows, width } = o;
  const order = sorted(call, count, rows, width);
  const sums = runningSums(call, order, width);
  return call.emit.node("Gather", [sums, ends(call, order, rows)]);
}
