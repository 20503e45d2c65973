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

/** A convolution of square maps; kernels of odd sizes are padded by half. */
interface Convolution {
  readonly channels: number;
  readonly side: number;
  readonly filters: number;
  readonly kernel: readonly [number, number];
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

const BENCHES: Readonly<Record<string, readonly Convolution[]>> = {
  "gradient/conv_depthwise": depthwise,
  "gradient/conv_grouped": grouped,
  "gradient/conv_strided": strided,
  "gradient/conv_plain": plain,
};

function padsOf({ kernel }: Convolution): [number, number] {
  return [Math.floor(kernel[0] / 2), Math.floor(kernel[1] / 2)];
}

function nameOf({ channels, side, filters, kernel, stride = 1 }: Convolution): string {
  return `${channels}x${side}x${side}-${filters}k${kernel.join("x")}s${stride}`;
}

/** One of the convolutions behind something that is trained, so that its input has a gradient. */
function modelOf(c: Convolution) {
  const { channels, side, filters, kernel, stride = 1, groups = 1 } = c;
  const builder = new GraphBuilder("convolution");
  const image = builder.input("image", "float32", ["batch", channels, side, side]);
  const dims = [filters, channels / groups, ...kernel];
  const zeros = (size: readonly number[]) =>
    tensor("float32", size, new Array<number>(elementCount(size)).fill(0));
  const shift = builder.initializer("shift", zeros([channels, 1, 1]));
  const x = builder.node("Add", [image, shift], {}, { outputs: ["x"] });
  const w = builder.initializer("w", zeros(dims));
  const pads = [...padsOf(c), ...padsOf(c)];
  const strides = [stride, stride];
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
  const { channels, side, filters, kernel, stride = 1, groups = 1 } = c;
  return [SAMPLES, channels, side, side, filters, ...kernel, stride, ...padsOf(c), groups].join();
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
