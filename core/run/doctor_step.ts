import { differentiate } from "../autodiff/mod.ts";
import { EXIT, RavnError } from "../error.ts";
import { type Graph, GraphBuilder, numbers, tensor, traceFacts, writeModel } from "../onnx/mod.ts";
import { Arena, Runtime, sgd } from "../runtime/mod.ts";

const SAMPLES = 4;
const FEATURES = 3;
const LEARNING_RATE = 0.1;

/**
 * A network of one product: L = mean((x·w − y)²), for x `[batch, 3]`, w `[3, 1]`, y `[batch, 1]`.
 */
function network(): Graph {
  const builder = new GraphBuilder("doctor");
  const x = builder.input("x", "float32", ["batch", FEATURES]);
  const y = builder.input("y", "float32", ["batch", 1]);
  const w = builder.input("w", "float32", [FEATURES, 1]);
  const miss = builder.node("Sub", [builder.node("MatMul", [x, w]), y]);
  const square = builder.node("Mul", [miss, miss]);
  builder.node("ReduceMean", [square], { keepdims: 0 }, { outputs: ["loss"] });
  builder.output("loss", "float32", []);
  return builder.build();
}

/**
 * Trains the network by one step through every part of the engine that a real step takes: tracing,
 * differentiation, ONNX Runtime, the arena, an optimizer kernel.
 *
 * @returns the loss before and after
 * @throws {RavnError} where the gradient is not 2/n·xᵀ(x·w − y), or the loss does not fall.
 */
export async function trainOneStep(): Promise<{ before: number; after: number }> {
  using runtime = Runtime.open();
  const model = await trainingModel(runtime);
  const x = Float32Array.from({ length: SAMPLES * FEATURES }, (_, i) => Math.sin(i));
  const y = Float32Array.from({ length: SAMPLES }, (_, i) => Math.cos(i));
  const arena = new Arena(4096);
  const [weights, gradients] = arena.allocateTogether([FEATURES * 4, FEATURES * 4])
    .map((bytes) => new Float32Array(bytes.buffer, bytes.byteOffset, FEATURES));
  const step = async () => {
    const results = await runtime.evaluate(
      model,
      new Map([
        ["x", tensor("float32", [SAMPLES, FEATURES], x)],
        ["y", tensor("float32", [SAMPLES, 1], y)],
        ["w", tensor("float32", [FEATURES, 1], weights!)],
      ]),
    );
    gradients!.set(numbers(results.get("gradient")!));
    return numbers(results.get("loss")!)[0]!;
  };
  const before = await step();
  checkGradient(gradients!, x, y);
  const plain = { momentum: 0, dampening: 0, nesterov: false, weightDecay: 0, first: true };
  sgd(weights!, weights!, gradients!, undefined, { lr: LEARNING_RATE, ...plain });
  const after = await step();
  if (!(after < before)) {
    throw wrong(`the loss went from ${before} to ${after}; expected it to fall`);
  }
  return { before, after };
}

/** The network with its gradient as a second output, as a model file. */
async function trainingModel(runtime: Runtime): Promise<Uint8Array> {
  const graph = network();
  const facts = await traceFacts(graph, runtime.evaluate, { batch: SAMPLES });
  const seed = { name: "one", value: tensor("float32", [], [1]) };
  const backward = differentiate({ graph, facts, seeds: new Map([["loss", "one"]]), wrt: ["w"] });
  return writeModel({
    ...graph,
    nodes: [...graph.nodes, ...backward.nodes, {
      name: "gradient",
      op: "Identity",
      domain: "",
      inputs: [backward.gradients.get("w")!],
      outputs: ["gradient"],
      attributes: {},
    }],
    outputs: [...graph.outputs, { name: "gradient", dtype: "float32", shape: [FEATURES, 1] }],
    initializers: new Map([
      ...graph.initializers,
      ...backward.initializers,
      [seed.name, seed.value],
    ]),
    opsets: new Map([...graph.opsets, ...backward.opsets]),
  });
}

/** At w = 0 the gradient is −2/n·xᵀy. */
function checkGradient(gradients: Float32Array, x: Float32Array, y: Float32Array): void {
  for (let feature = 0; feature < FEATURES; feature++) {
    const sum = y.reduce((total, value, i) => total + value * x[i * FEATURES + feature]!, 0);
    const expected = -2 / SAMPLES * sum;
    if (Math.abs(gradients[feature]! - expected) < 1e-5) continue;
    throw wrong(`the gradient is ${gradients[feature]}; expected ${expected}`);
  }
}

function wrong(message: string): RavnError {
  return new RavnError(message, { exitCode: EXIT.failure });
}
