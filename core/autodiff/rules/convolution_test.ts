import assert from "node:assert/strict";
import {
  dimsAt,
  elementCount,
  type Graph,
  GraphBuilder,
  numbers,
  type Tensor,
  tensor,
  traceFacts,
  writeModel,
} from "../../onnx/mod.ts";
import { Random } from "../../random.ts";
import type { ChooseFormulation } from "../formulation.ts";
import { gradientGraph } from "../gradient_graph.ts";
import { type Case, runtime, testCases } from "./gradient_check_test.ts";

type Dims = readonly (number | "batch")[];

/** A convolution is linear in each operand: a wide difference is exact but for rounding. */
function conv(x: Dims, w: Dims, attributes: Case["attributes"] = {}, bias = true): Case {
  return { op: "Conv", operands: [x, w, bias ? [w[0]!] : null], attributes, step: 0.5 };
}

/** The same in an old operator set. */
function old(opset: number, test: Case): Case {
  return { ...test, opset };
}

testCases("Conv: stride, padding, dilation, groups, one to three dimensions", [
  conv(["batch", 3, 6, 5], [4, 3, 3, 3], { pads: [1, 1, 1, 1] }),
  conv(["batch", 2, 5, 5], [3, 2, 3, 2], {}, false),
  conv(["batch", 2, 7, 6], [3, 2, 3, 3], { strides: [2, 3], pads: [1, 0, 2, 1] }),
  conv(["batch", 2, 7, 7], [3, 2, 2, 3], { dilations: [2, 1], pads: [1, 1, 1, 1] }),
  conv(["batch", 2, 8, 8], [3, 2, 3, 3], { dilations: [2, 2], strides: [2, 2] }),
  conv(["batch", 4, 5, 5], [6, 2, 3, 3], { group: 2, pads: [1, 1, 1, 1] }),
  conv(["batch", 4, 5, 5], [6, 2, 3, 3], { group: 2, strides: [2, 2] }),
  conv(["batch", 3, 5, 5], [3, 1, 3, 3], { group: 3, pads: [1, 1, 1, 1] }),
  conv(["batch", 3, 5, 5], [6, 1, 3, 3], { group: 3, pads: [1, 1, 1, 1], strides: [2, 1] }),
  conv(["batch", 3, 4, 4], [5, 3, 1, 1]),
  conv(["batch", 3, 5, 5], [5, 3, 1, 1], { strides: [2, 2] }),
  conv(["batch", 4, 4, 4], [2, 2, 1, 1], { group: 2 }),
  conv(["batch", 2, 2, 2], [3, 2, 3, 3], { pads: [1, 1, 1, 1] }),
  conv(["batch", 2, 3, 3], [3, 2, 2, 2], { pads: [2, 2, 2, 2] }),
  ...["SAME_UPPER", "SAME_LOWER", "VALID"].flatMap((auto_pad) => [
    conv(["batch", 2, 5, 6], [3, 2, 3, 2], { auto_pad }),
    conv(["batch", 2, 5, 6], [3, 2, 3, 2], { auto_pad, strides: [2, 2] }),
  ]),
  conv(["batch", 2, 9], [3, 2, 3], { pads: [1, 1] }),
  old(9, conv(["batch", 16, 7, 7], [16, 16, 3, 3], { pads: [1, 1, 1, 1] })),
  old(9, conv(["batch", 3, 5, 5], [4, 3, 3, 3], { strides: [2, 2] })),
  old(12, conv(["batch", 16, 6, 6], [16, 16, 3, 3], { pads: [1, 1, 1, 1] })),
  conv(["batch", 2, 9], [4, 1, 4], { strides: [2], pads: [1, 2], group: 2 }),
  conv(["batch", 2, 9], [4, 2, 3], { dilations: [3] }),
  conv(["batch", 2, 3, 4, 3], [3, 2, 2, 2, 2], { pads: [0, 1, 0, 1, 1, 0] }),
]);

/** A tensor of ordinary numbers. */
function wave(dims: readonly number[]): Tensor {
  return tensor("float32", dims, Array.from({ length: elementCount(dims) }, (_, i) => Math.sin(i)));
}

/** A convolution as a graph. */
function graphOf(x: number[], w: number[], attributes: NonNullable<Case["attributes"]>): Graph {
  const builder = new GraphBuilder("conv");
  builder.input("x", "float32", ["batch", ...x.slice(1)]);
  builder.initializer("w", wave(w));
  const y = builder.node("Conv", ["x", "w"], attributes, { outputs: ["y"] });
  builder.output(y, "float32");
  return builder.build();
}

const SHAPES: [number[], number[], NonNullable<Case["attributes"]>][] = [
  [[3, 4, 6, 6], [6, 4, 3, 3], { pads: [1, 1, 1, 1] }],
  [[3, 4, 7, 6], [6, 4, 3, 3], { strides: [2, 2] }],
  [[3, 4, 5, 5], [6, 4, 1, 1], {}],
  [[3, 4, 6, 6], [8, 2, 3, 3], { group: 2, pads: [1, 0, 0, 1] }],
  [[3, 4, 6, 6], [4, 1, 3, 3], { group: 4, pads: [1, 1, 1, 1] }],
  [[3, 4, 7, 6], [8, 2, 3, 2], { group: 2, strides: [2, 1], dilations: [1, 2] }],
  [[3, 4, 8], [8, 2, 3], { group: 2, pads: [1, 1] }],
  [[3, 4, 2, 2], [6, 4, 3, 3], { pads: [1, 1, 1, 1] }],
  [[3, 1, 8, 8], [6, 1, 3, 3], { pads: [1, 1, 1, 1] }],
  [[3, 4, 9], [6, 4, 3], { dilations: [2] }],
  [[3, 2, 4, 5, 4], [3, 2, 3, 3, 3], { pads: [1, 1, 1, 1, 1, 1] }],
  [[2, 2, 6, 5, 5], [3, 2, 2, 3, 3], { strides: [2, 2, 1], pads: [1, 0, 1, 1, 0, 1] }],
  [[2, 2, 7, 4, 4], [3, 2, 3, 2, 2], { dilations: [2, 1, 2], strides: [2, 1, 1] }],
  [[2, 2, 4, 3, 3], [3, 2, 3, 1, 1], { pads: [1, 0, 0, 1, 0, 0] }],
  [[2, 2, 3, 4, 4], [3, 2, 1, 3, 3], { pads: [0, 1, 1, 0, 1, 1] }],
  [[2, 2, 3, 3, 3], [4, 1, 2, 2, 2], { group: 2 }],
];

/** Shapes drawn from a seed, so that each test run takes the same. */
function drawn(seed: number): typeof SHAPES[number] {
  const random = new Random(seed);
  const among = (from: number, to: number) => from + random.integer(to - from + 1);
  const groups = [1, 1, 2, 4][random.integer(4)]!;
  const [each, perGroup] = groups === 4 ? [1, 1] : [among(1, 3), among(1, 3)];
  const rank = among(1, 2);
  const axes = Array.from({ length: rank }, () => {
    const [kernel, stride, pad] = [among(1, 4), among(1, 3), among(0, 2)];
    return { kernel, stride, pads: [Math.min(pad, kernel - 1), among(0, kernel - 1)] };
  });
  const x = [3, groups * perGroup, ...axes.map(({ kernel }) => kernel + among(0, 5))];
  const w = [groups * each, perGroup, ...axes.map(({ kernel }) => kernel)];
  const strides = axes.map(({ stride }) => stride);
  const pads = [0, 1].flatMap((side) => axes.map((axis) => axis.pads[side]!));
  return [x, w, { group: groups, strides, pads }];
}

const DRAWN = Array.from({ length: 24 }, (_, seed) => drawn(seed));

Deno.test("all formulations of a convolution's gradients agree", async () => {
  for (const [x, w, attributes] of [...SHAPES, ...DRAWN]) {
    const graph = graphOf(x, w, attributes);
    const facts = await traceFacts(graph, runtime().evaluate, { batch: 2 });
    const feeds = new Map([["x", wave(x)], ["w", wave(w)]]);
    const gradientsBy = async (choose: ChooseFormulation) => {
      const o = { outputs: ["y"], wrt: ["x", "w"], choose };
      const { graph: whole, gradients, seeds } = gradientGraph(graph, facts, o);
      const seed = wave(dimsAt(facts.get("y")!.dims, x[0]!));
      const seeded = new Map([...feeds, [seeds.get("y")!, seed]]);
      const values = await runtime().evaluate(writeModel(whole), seeded);
      return ["x", "w"].map((name) => numbers(values.get(gradients.get(name)!)!));
    };
    const asked = new Map<string, readonly string[]>();
    const [dx, dw] = await gradientsBy(({ gradient, candidates }) => {
      asked.set(gradient, candidates);
      return undefined;
    });
    const names = [...asked].flatMap(([gradient, all]) => all.slice(1).map((n) => [gradient, n]));
    assert.ok(names.length > 0);
    for (const [gradient, name] of names) {
      const others = await gradientsBy((question) =>
        question.gradient === gradient ? name : undefined
      );
      for (const [i, expected] of [dx!, dw!].entries()) {
        others[i]!.forEach((value, j) => {
          const tolerance = 1e-4 * Math.max(1, Math.abs(expected[j]!));
          assert.ok(Math.abs(value - expected[j]!) < tolerance, `${name} of ${gradient}, [${x}]`);
        });
      }
    }
  }
});
