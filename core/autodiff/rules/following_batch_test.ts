/** Arguments that a model computes from the size of the batch, as exporters write them. */
import { GraphBuilder, int64s, type Tensor, tensor } from "../../onnx/mod.ts";
import { Random } from "../../random.ts";
import { checkGradients, valuesOf } from "./gradient_check_test.ts";

/** Adds an operator that reads `x` and, as int64 vectors, the size of the batch and constants. */
type Build = (b: GraphBuilder, o: {
  readonly x: string;
  readonly batch: string;
  readonly ints: (...values: number[]) => string;
}) => string;

interface Case {
  readonly title: string;
  /** Shape of x; a graph input if its first dimension is the batch, else an initializer. */
  readonly dims: readonly (number | "batch")[];
  /** 20 if absent. */
  readonly opset?: number;
  readonly build: Build;
}

const CASES: readonly Case[] = [
  {
    title: "Resize to sizes",
    dims: ["batch", 2, 3, 4],
    build: (b, { x, batch, ints }) => {
      const sizes = b.node("Concat", [batch, ints(2, 5, 8)], { axis: 0 });
      return b.node("Resize", [x, "", "", sizes], { mode: "linear" });
    },
  },
  {
    title: "Resize by computed scales",
    dims: ["batch", 2, 3, 4],
    build: (b, { x }) => {
      const pair = (value: number) => b.constant(tensor("float32", [2], [value, value]));
      const scales = b.node("Concat", [pair(1), pair(1.7)], { axis: 0 });
      return b.node("Resize", [x, "", scales], { mode: "linear" });
    },
  },
  {
    title: "Tile to the batch",
    dims: [1, 3, 4],
    build: (b, { x, batch, ints }) => {
      const repeats = b.node("Concat", [batch, ints(1, 1)], { axis: 0 });
      return b.node("Add", [b.node("Tile", [x, repeats]), "other"]);
    },
  },
  {
    title: "Expand to the batch",
    dims: [1, 3, 4],
    build: (b, { x, batch, ints }) =>
      b.node("Expand", [x, b.node("Concat", [batch, ints(3, 4)], { axis: 0 })]),
  },
  {
    title: "AffineGrid for the batch",
    dims: ["batch", 2, 3],
    build: (b, { x, batch, ints }) => {
      const size = b.node("Concat", [batch, ints(1, 3, 2)], { axis: 0 });
      return b.node("AffineGrid", [x, size]);
    },
  },
  {
    title: "ScatterElements of rows for each sample",
    dims: ["batch", 4],
    build: (b, { x, batch, ints }) => {
      const shape = b.node("Concat", [batch, ints(2)], { axis: 0 });
      const indices = b.node("Expand", [ints(3, 0), shape]);
      const updates = b.node("Slice", [x, ints(1), ints(3), ints(1)]);
      return b.node("ScatterElements", [x, indices, updates], { axis: 1, reduction: "add" });
    },
  },
  ...[13, 20].map((opset): Case => ({
    title: `Gather of one row for each sample of all of them, opset ${opset}`,
    dims: ["batch", 4, 2],
    opset,
    build: (b, { x, batch, ints }) => {
      const rows = b.node("Reshape", [x, ints(-1, 2)]);
      return b.node("Gather", [rows, b.node("Expand", [ints(3), batch])]);
    },
  })),
  {
    title: "GatherND of one row for each sample in an old operator set",
    dims: ["batch", 4, 2],
    opset: 13,
    build: (b, { x, batch, ints }) => {
      const shape = b.node("Concat", [batch, ints(1)], { axis: 0 });
      return b.node("GatherND", [x, b.node("Expand", [ints(2), shape])], { batch_dims: 1 });
    },
  },
  {
    title: "GatherND of one row for each sample",
    dims: ["batch", 4, 2],
    build: (b, { x, batch, ints }) => {
      const shape = b.node("Concat", [batch, ints(1)], { axis: 0 });
      return b.node("GatherND", [x, b.node("Expand", [ints(2), shape])], { batch_dims: 1 });
    },
  },
  {
    title: "GatherND by rows of a table",
    dims: [5, 3],
    build: (b, { x, batch, ints }) => {
      const shape = b.node("Concat", [batch, ints(2, 1)], { axis: 0 });
      return b.node("GatherND", [x, b.node("Expand", [ints(4), shape])]);
    },
  },
];

Deno.test("gradients where arguments follow the batch", async (t) => {
  for (const { title, dims, build, opset } of CASES) {
    await t.step(title, async () => {
      const b = new GraphBuilder("case", opset ?? 20);
      const random = new Random(7);
      const value = valuesOf({ dims }, "float32", random);
      const other = valuesOf({ dims: ["batch", 3, 4] }, "float32", random);
      const feeds = new Map<string, Tensor>([["other", other]]);
      b.input("other", "float32", ["batch", 3, 4]);
      if (dims[0] === "batch") feeds.set(b.input("x", "float32", dims), value);
      else b.initializer("x", value);
      const ints = (...values: number[]) => b.constant(int64s(values));
      const shape = b.node("Shape", ["other"]);
      const batch = b.node("Slice", [shape, ints(0), ints(1)]);
      b.output(build(b, { x: "x", batch, ints }), "float32");
      await checkGradients(b.build(), { feeds, wrt: ["x"], what: title, step: 0.5 });
    });
  }
});
