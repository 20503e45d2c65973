import assert from "node:assert/strict";
import { join } from "node:path";
import type { FormulationQuestion } from "../autodiff/mod.ts";
import { gradientGraph } from "../autodiff/mod.ts";
import { GraphBuilder, numbers, readModel, tensor, traceFacts, writeModel } from "../onnx/mod.ts";
import type { Facts, Graph, Tensor } from "../onnx/mod.ts";
import { Random } from "../random.ts";
import { blockedModels, blockSize, Runtime } from "../runtime/mod.ts";
import { timeFormulations } from "./formulation_times.ts";

const runtime = Runtime.open({ threads: 1 });
const { evaluate } = runtime;
const BATCH = 4;

interface Convolution {
  readonly channels: number;
  readonly filters: number;
  readonly side: number;
  readonly kernel: number;
  readonly stride: number;
  readonly groups: number;
}

function wave(dims: readonly number[], seed: number): Tensor {
  const random = new Random(seed);
  const size = dims.reduce((product, dim) => product * dim, 1);
  return tensor("float32", dims, Array.from({ length: size }, () => random.normal()));
}

/** Two equal convolutions, one behind the other, where the shapes allow it; else one. */
function modelOf({ channels, filters, side, kernel, stride, groups }: Convolution): Graph {
  const builder = new GraphBuilder("convolutions");
  let x = builder.input("x", "float32", ["batch", channels, side, side]);
  const shift = builder.initializer("shift", wave([channels, 1, 1], 1));
  x = builder.node("Add", [x, shift], {}, { outputs: ["shifted"] });
  const pad = kernel >> 1;
  const attributes = { strides: [stride, stride], pads: [pad, pad, pad, pad], group: groups };
  for (const name of channels === filters && stride === 1 ? ["w0", "w1"] : ["w0"]) {
    const w = builder.initializer(name, wave([filters, channels / groups, kernel, kernel], 2));
    x = builder.node("Conv", [x, w], attributes);
  }
  builder.output(x, "float32");
  return builder.build();
}

function factsOf(graph: Graph): Promise<Facts> {
  return traceFacts(graph, evaluate, { batch: 2 });
}

const LARGE: Convolution = {
  channels: 32,
  filters: 32,
  side: 40,
  kernel: 3,
  stride: 1,
  groups: 1,
};

Deno.test("each shape is timed once, kept, and the choice is taken", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const cache = join(folder, "formulations.json");
    const graph = modelOf(LARGE);
    const facts = await factsOf(graph);
    const first = await timeFormulations({ runtime, graph, facts, batch: BATCH, cache });
    assert.equal(first.measured, 2, "dx and dW, for both convolutions together");
    await first.save();
    const again = await timeFormulations({ runtime, graph, facts, batch: BATCH, cache });
    assert.equal(again.measured, 0);
    const other = await timeFormulations({ runtime, graph, facts, batch: 2 * BATCH, cache });
    assert.equal(other.measured, 2, "another batch is another shape");
    const chosen: (readonly [FormulationQuestion, string | undefined])[] = [];
    const outputs = [graph.outputs[0]!.name];
    const wrt = ["shifted", "w0", "w1"];
    gradientGraph(graph, facts, {
      outputs,
      wrt,
      choose: (question) => {
        const name = again.choose(question);
        chosen.push([question, name]);
        return name;
      },
    });
    assert.equal(chosen.length, 4);
    for (const [question, name] of chosen) {
      assert.ok(question.candidates.includes(name!));
      assert.equal(name, first.choose(question));
    }
    await Deno.writeTextFile(cache, "{ damaged");
    const anew = await timeFormulations({ runtime, graph, facts, batch: BATCH, cache });
    assert.equal(anew.measured, 2);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("what is small, or comes after the time is up, is left to the estimates", async () => {
  const small = modelOf({ ...LARGE, channels: 2, filters: 2, side: 4 });
  const o = { runtime, batch: BATCH };
  const little = await timeFormulations({ ...o, graph: small, facts: await factsOf(small) });
  assert.equal(little.measured, 0);
  const graph = modelOf(LARGE);
  const late = await timeFormulations({ ...o, graph, facts: await factsOf(graph), budget_ms: 0 });
  assert.equal(late.measured, 0);
});

/** Samples for which a form may be made that takes no other number: not quite whole blocks. */
const USUAL = 12;

const SHAPES: readonly Convolution[] = [
  { ...LARGE, side: 12 },
  { ...LARGE, side: 7, filters: 16, stride: 2 },
  { ...LARGE, side: 6, groups: 32 },
  { ...LARGE, side: 9, groups: 32, stride: 2 },
  { ...LARGE, side: 8, groups: 32, stride: 2, kernel: 5 },
  { ...LARGE, side: 5, groups: 2 },
  { ...LARGE, side: 7, groups: 8, filters: 64, stride: 2 },
  { ...LARGE, side: 6, kernel: 1, filters: 48, stride: 2 },
];

/** The gradients of the whole model, in the form in which this machine runs it. */
async function gradientsOf(
  graph: Graph,
  facts: Facts,
  o: { readonly samples: number; readonly choose: (q: FormulationQuestion) => string | undefined },
): Promise<Map<string, Tensor>> {
  const [y] = graph.outputs;
  const wrt = ["shifted", "w0"];
  const made = gradientGraph(graph, facts, { outputs: [y!.name], wrt, choose: o.choose });
  // Weights are fed, as in training.
  const fed = [...graph.initializers].filter(([name]) => name.startsWith("w"));
  const unfed = fed.filter(([name]) => !made.graph.inputs.some((input) => input.name === name));
  const whole: Graph = {
    ...made.graph,
    inputs: [
      ...made.graph.inputs,
      ...unfed.map(([name, { dims }]) => ({ name, dtype: "float32" as const, shape: [...dims] })),
    ],
    initializers: new Map(
      [...made.graph.initializers].filter(([name]) => !name.startsWith("w")),
    ),
  };
  const { model } = await blockedModels({ model: writeModel(whole) }, { evaluate, samples: USUAL });
  const dims = (name: string) =>
    facts.get(name)!.dims.map((size) => typeof size === "number" ? size : o.samples);
  const feeds = new Map([
    ["x", wave(dims("x"), 3)],
    [made.seeds.get(y!.name)!, wave(dims(y!.name), 4)],
    ...fed,
  ]);
  const values = await evaluate(model!, feeds);
  return new Map(wrt.map((name) => [name, values.get(made.gradients.get(name)!)!]));
}

Deno.test("all formulations agree in this machine's layout, at any batch", async () => {
  for (const shape of SHAPES) {
    const graph = modelOf(shape);
    const facts = await factsOf(graph);
    const asked = new Map<string, readonly string[]>();
    const first = (question: FormulationQuestion) => {
      asked.set(question.gradient, question.candidates);
      return undefined;
    };
    await gradientsOf(graph, facts, { samples: USUAL, choose: first });
    for (const samples of [USUAL, USUAL - 1]) {
      const expected = await gradientsOf(graph, facts, { samples, choose: first });
      for (const [gradient, names] of asked) {
        for (const name of names.slice(1)) {
          const choose = (q: FormulationQuestion) => q.gradient === gradient ? name : undefined;
          const found = await gradientsOf(graph, facts, { samples, choose });
          for (const [value, one] of expected) {
            const [a, b] = [numbers(one), numbers(found.get(value)!)];
            const scale = Math.max(...Array.from(a, (x) => Math.abs(x)));
            const worst = Math.max(...Array.from(a, (x, i) => Math.abs(x - b[i]!)));
            assert.ok(worst < 1e-4 * scale, `${name} of ${gradient}: ${JSON.stringify(shape)}`);
          }
        }
      }
    }
  }
});

Deno.test("weight gradients over the samples are rewritten in blocks", async () => {
  if (await blockSize(evaluate) === undefined) return;
  for (const groups of [1, 2, 8]) {
    const graph = modelOf({ ...LARGE, side: 6, groups, stride: 2 });
    const facts = await factsOf(graph);
    const choose = ({ gradient }: FormulationQuestion) =>
      gradient === "weight" ? "samples" : undefined;
    const o = { outputs: [graph.outputs[0]!.name], wrt: ["w0"], choose };
    const plain = writeModel(gradientGraph(graph, facts, o).graph);
    const { model } = await blockedModels({ model: plain }, { evaluate, samples: USUAL });
    assert.ok(readModel(model!, { file: "blocked" }).nodes.some(({ op }) => op === "If"));
  }
});
