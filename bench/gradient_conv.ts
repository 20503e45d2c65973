/**
 * Both gradients of single convolutions, in the formulations that were timed for this machine,
 * against PyTorch's. The argument names the bench; each of its convolutions gives a line.
 */
import { differentiate } from "../core/autodiff/mod.ts";
import { dimsAt, elementCount, GraphBuilder, tensor, traceFacts } from "../core/onnx/mod.ts";
import { byteCount, writeModel } from "../core/onnx/mod.ts";
import { Random } from "../core/random.ts";
import { timeFormulations } from "../core/run/formulation_times.ts";
import { alignedBytes, blockedModels, floatsOf, Runtime } from "../core/runtime/mod.ts";
import type { Binding } from "../core/runtime/mod.ts";
import { assemble, portOf } from "../core/training/mod.ts";
import { interleave, millisecondsOf, report } from "./interleave.ts";
import { Peer } from "./peer.ts";

/** On both sides. */
const THREADS = Number(Deno.env.get("RAVN_BENCH_THREADS") ?? 2);
const REPEATS = 5;
const SAMPLES = 16;

/** A convolution of square maps, several deep in three dimensions; kernels are padded by half. */
interface Convolution {
  readonly channels: number;
  readonly side: number;
  readonly depth?: number;
  readonly filters: number;
  readonly kernel: readonly number[];
  readonly stride?: number;
  readonly groups?: number;
}

/** Of MobileNetV2 at 96 × 96. */
const depthwise = [[96, 24, 1], [96, 24, 2], [144, 24, 1], [192, 12, 1], [384, 6, 1], [576, 6, 2], [
  960,
  3,
  1,
]].map(([channels, side, stride]): Convolution => ({
  channels: channels!,
  side: side!,
  filters: channels!,
  kernel: [3, 3],
  stride: stride!,
  groups: channels!,
}));

/** Of ResNeXt-50 32×4d at 64 × 64. */
const grouped = [[128, 16, 1], [256, 16, 2], [256, 8, 1], [512, 4, 1]].map((
  [channels, side, stride],
): Convolution => ({
  channels: channels!,
  side: side!,
  filters: channels!,
  kernel: [3, 3],
  stride: stride!,
  groups: 32,
}));

/** The entries of ResNet-18's stages at 64 × 64. */
const strided: readonly Convolution[] = [
  { channels: 64, side: 16, filters: 128, kernel: [3, 3], stride: 2 },
  { channels: 128, side: 8, filters: 256, kernel: [3, 3], stride: 2 },
  { channels: 256, side: 4, filters: 512, kernel: [3, 3], stride: 2 },
  { channels: 64, side: 16, filters: 128, kernel: [1, 1], stride: 2 },
];

/** Of ResNet-18 at 64 × 64 and Inception v3. */
const plain: readonly Convolution[] = [
  { channels: 64, side: 16, filters: 64, kernel: [3, 3] },
  { channels: 128, side: 8, filters: 128, kernel: [3, 3] },
  { channels: 256, side: 4, filters: 256, kernel: [3, 3] },
  { channels: 512, side: 2, filters: 512, kernel: [3, 3] },
  { channels: 48, side: 8, filters: 64, kernel: [5, 5] },
  { channels: 128, side: 8, filters: 128, kernel: [1, 7] },
  { channels: 128, side: 8, filters: 128, kernel: [7, 1] },
  { channels: 256, side: 8, filters: 128, kernel: [1, 1] },
];

/** Of the kinds that networks for video and volumes have: an entry, narrow and wide, strided. */
const deep: readonly Convolution[] = [
  { channels: 3, side: 32, depth: 8, filters: 16, kernel: [3, 3, 3] },
  { channels: 8, side: 16, depth: 8, filters: 16, kernel: [3, 3, 3] },
  { channels: 16, side: 14, depth: 8, filters: 32, kernel: [3, 3, 3] },
  { channels: 32, side: 16, depth: 8, filters: 64, kernel: [3, 3, 3], stride: 2 },
  { channels: 64, side: 14, depth: 4, filters: 64, kernel: [3, 3, 3] },
  { channels: 64, side: 14, depth: 4, filters: 64, kernel: [3, 1, 1] },
  { channels: 64, side: 14, depth: 4, filters: 64, kernel: [1, 3, 3] },
];

const BENCHES: Readonly<Record<string, readonly Convolution[]>> = {
  "gradient/conv_depthwise": depthwise,
  "gradient/conv_grouped": grouped,
  "gradient/conv_strided": strided,
  "gradient/conv_plain": plain,
  "gradient/conv_3d": deep,
};

/** Sizes of a map. */
function mapOf({ side, depth }: Convolution): number[] {
  return depth === undefined ? [side, side] : [depth, side, side];
}

function padsOf({ kernel }: Convolution): number[] {
  return kernel.map((size) => Math.floor(size / 2));
}

function nameOf(c: Convolution): string {
  const { channels, filters, kernel, stride = 1 } = c;
  return `${[channels, ...mapOf(c)].join("x")}-${filters}k${kernel.join("x")}s${stride}`;
}

/** One of the convolutions behind something that is trained, so that its input has a gradient. */
function modelOf(c: Convolution) {
  const { channels, filters, kernel, stride = 1, groups = 1 } = c;
  const builder = new GraphBuilder("convolution");
  const image = builder.input("image", "float32", ["batch", channels, ...mapOf(c)]);
  const dims = [filters, channels / groups, ...kernel];
  const zeros = (size: readonly number[]) =>
    tensor("float32", size, new Array<number>(elementCount(size)).fill(0));
  const shift = builder.initializer("shift", zeros([channels, ...kernel.map(() => 1)]));
  const x = builder.node("Add", [image, shift], {}, { outputs: ["x"] });
  const w = builder.initializer("w", zeros(dims));
  const pads = [...padsOf(c), ...padsOf(c)];
  const strides = kernel.map(() => stride);
  const attributes = { strides, pads, group: groups };
  builder.output(builder.node("Conv", [x, w], attributes, { outputs: ["y"] }), "float32");
  return builder.build();
}

/** The backward pass of a convolution, ready to run. */
async function backwardOf(runtime: Runtime, c: Convolution): Promise<Binding> {
  const graph = modelOf(c);
  const facts = await traceFacts(graph, runtime.evaluate, { batch: 2 });
  const { choose } = await timeFormulations({ runtime, graph, facts, batch: SAMPLES });
  const alone = { ...graph, nodes: graph.nodes.filter(({ op }) => op === "Conv") };
  const seeds = new Map([["y", "dy"]]);
  const wrt = ["x", "w"];
  const made = differentiate({ graph: alone, facts, seeds, wrt, choose, threads: THREADS });
  const ports = [...wrt.map((name) => portOf(facts, name)), { ...portOf(facts, "y"), value: "dy" }];
  const shown = wrt.map((name) => ({
    port: { ...portOf(facts, name), value: `d${name}` },
    from: made.gradients.get(name)!,
  }));
  const opsets = new Map([...graph.opsets, ...made.opsets]);
  const whole = writeModel(assemble("backward", [made], ports, shown, opsets));
  const { evaluate } = runtime;
  const { model } = await blockedModels({ model: whole }, { evaluate, samples: SAMPLES });
  const session = await runtime.session(model!);
  const binding = session.binding();
  const random = new Random(1);
  for (const { name } of session.inputs) {
    const dims = dimsAt(ports.find(({ value }) => value === name)!.dims, SAMPLES);
    const bytes = alignedBytes(byteCount("float32", dims));
    const values = floatsOf(bytes);
    for (let i = 0; i < values.length; i++) values[i] = random.uniform() - 0.5;
    binding.input(name, runtime.value("float32", dims, bytes));
  }
  for (const { name } of session.outputs) binding.outputAuto(name);
  await binding.runAsync();
  return binding;
}

/** As `gradient_conv.py` takes it. */
function argumentOf(c: Convolution): string {
  const { channels, filters, kernel, stride = 1, groups = 1 } = c;
  const lists = [mapOf(c), kernel, padsOf(c)].map((numbers) => numbers.join("x"));
  return [SAMPLES, channels, filters, groups, stride, ...lists].join();
}

async function main(bench: string): Promise<void> {
  const convolutions = BENCHES[bench];
  if (convolutions === undefined) throw new Error(`no convolutions for "${bench}"`);
  const runtime = Runtime.open({ threads: THREADS });
  for (const convolution of convolutions) {
    const script = new URL("gradient_conv.py", import.meta.url);
    const peer = await Peer.start(script, [THREADS, REPEATS, argumentOf(convolution)]);
    if ("skipped" in peer) return report({ bench, skipped: peer.skipped });
    await using _ended = peer;
    const binding = await backwardOf(runtime, convolution);
    const found = await interleave(
      () => millisecondsOf(() => binding.run(), REPEATS),
      () => peer.run(),
    );
    const name = `${bench}/${nameOf(convolution)}`;
    report({ bench: name, ...found, peer_name: peer.name, unit: "ms" });
  }
}

if (import.meta.main) await main(Deno.args[0] ?? "gradient/conv_depthwise");
