import { GraphBuilder, numbers, readModel, tensor, writeModel } from "../../onnx/mod.ts";
import type { Evaluate, Graph, Tensor } from "../../onnx/mod.ts";
import { blockedGraph } from "./blocked_graph.ts";

/** Elements of a block with AVX-512 (and NEON), and with AVX. */
const BLOCKS = [16, 8];
const CHANNELS = 32;
const TOLERANCE = 1e-4;

/** What this process has found: the machine does not change under it. */
let known: Promise<number | undefined> | undefined;

/** Shapes of the convolution's operands by name. */
const FEEDS = new Map([
  ["x", [2, CHANNELS, 7, 6]],
  ["dy", [2, CHANNELS, 4, 3]],
  ["image", [2, 3, 7, 6]],
  ["dense", [CHANNELS, CHANNELS, 3, 3]],
  ["depthwise", [CHANNELS, 1, 3, 3]],
  ["shallow", [CHANNELS, 3, 3, 3]],
]);

/** Every kind of convolution that `blockedGraph` rewrites. */
function probeGraph(): Graph {
  const builder = new GraphBuilder("blocked probe");
  for (const [name, dims] of FEEDS) builder.input(name, "float32", dims);
  const window = { strides: [2, 2], pads: [1, 1, 1, 1] };
  const group = CHANNELS;
  const back = { ...window, output_shape: [7, 6] };
  for (
    const [op, x, w, attributes] of [
      ["Conv", "x", "dense", window],
      ["Conv", "x", "depthwise", { ...window, group }],
      ["Conv", "image", "shallow", window],
      ["ConvTranspose", "dy", "dense", back],
      ["ConvTranspose", "dy", "depthwise", { ...back, group }],
    ] as const
  ) builder.output(builder.node(op, [x, w], attributes), "float32");
  return builder.build();
}

function feeds(): Map<string, Tensor> {
  return new Map([...FEEDS].map(([name, dims]) => {
    const size = dims.reduce((product, dim) => product * dim, 1);
    const values = Array.from({ length: size }, (_, i) => Math.sin(i * 0.7 + name.length));
    return [name, tensor("float32", dims, values)];
  }));
}

/** Whether the blocked form of the probe gives what its plain form gives. */
async function agrees(
  evaluate: Evaluate,
  plain: ReadonlyMap<string, Tensor>,
  block: number,
): Promise<boolean> {
  let blocked: ReadonlyMap<string, Tensor>;
  try {
    blocked = await evaluate(writeModel(blockedGraph(probeGraph(), block)), feeds());
  } catch {
    // This build of ONNX Runtime has no such kernels, or another block.
    return false;
  }
  return [...plain].every(([name, expected]) => {
    const values = numbers(blocked.get(name)!);
    return numbers(expected).every((value, i) => Math.abs(value - values[i]!) < TOLERANCE);
  });
}

/** The block of this machine, found once in a process; see `probeBlock`. */
export function blockSize(evaluate: Evaluate): Promise<number | undefined> {
  return known ??= probeBlock(evaluate);
}

/**
 * Finds the block of this machine's convolution kernels by trying: the blocked form of some small
 * convolutions must give what their plain form gives.
 *
 * @returns undefined where no block does, so that the blocked layout is not to be used
 */
export async function probeBlock(evaluate: Evaluate): Promise<number | undefined> {
  const plain = await evaluate(writeModel(probeGraph()), feeds());
  for (const block of BLOCKS) if (await agrees(evaluate, plain, block)) return block;
  return undefined;
}

/**
 * Models with their convolutions in the blocked layout, where this machine has one.
 *
 * @param o.samples the usual number of samples of a run
 * @param o.probe finds the block, `blockSize` if absent
 */
export async function blockedModels<Name extends string>(
  models: { readonly [name in Name]?: Uint8Array },
  o: {
    readonly evaluate: Evaluate;
    readonly samples: number;
    readonly probe?: typeof blockSize;
  },
): Promise<{ readonly [name in Name]?: Uint8Array }> {
  const { probe = blockSize } = o;
  const block = await probe(o.evaluate);
  if (block === undefined) return models;
  const rewritten: { [name in Name]?: Uint8Array } = {};
  for (const name in models) {
    const model = models[name];
    if (model === undefined) continue;
    const graph = readModel(model, { file: `${name}.onnx` });
    rewritten[name] = writeModel(blockedGraph(graph, block, o.samples));
  }
  return rewritten;
}
