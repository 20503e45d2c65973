import assert from "node:assert/strict";
import type { CodecConfig } from "../compression/mod.ts";
import { RavnError } from "../error.ts";
import { byteCount, dimsAt } from "../onnx/mod.ts";
import { alignedBytes, floatsOf } from "../runtime/mod.ts";
import { stageManifest } from "../training/mod.ts";
import type { StageManifest } from "../training/mod.ts";
import { memoryLinks } from "../../transport/mod.ts";
import type { Link, Receiver, TensorHead, TensorInfo } from "../../transport/mod.ts";
import { PackedLink } from "./packed_link.ts";

const BATCH = 8;
const PER_SAMPLE = { perSample: 1 };

/**
 * What stage 0 sends: a large and a small activation, class indices, labels that are floats, a
 * weight that stage 1 uses too.
 */
const ACTIVATION = { value: "a", dtype: "float32", dims: [PER_SAMPLE, 40] } as const;
const SMALL = { value: "b", dtype: "float32", dims: [PER_SAMPLE, 8] } as const;
const INDICES = { value: "c", dtype: "int64", dims: [PER_SAMPLE, 40] } as const;
const LABELS = { value: "ravn.labels", dtype: "float32", dims: [PER_SAMPLE, 40] } as const;
const WEIGHT = { value: "w", dtype: "float32", dims: [30, 40] } as const;

/** A manifest with these ports and nothing else. */
function manifest(stage: number, ports: object): StageManifest {
  return stageManifest.parse({
    ...{ format: 1, stage, stages: 2, batch: BATCH, inputs: [], outputs: [], relays: [] },
    ...{ parameters: [], masks: [], statistics: [], stash: [], recompute: false },
    ...ports,
  });
}

const SENDER = manifest(0, {
  outputs: [
    { ...ACTIVATION, to: [{ stage: 1, gradient: "g" }] },
    { ...SMALL, to: [{ stage: 1 }] },
    { ...INDICES, to: [{ stage: 1 }] },
    { ...WEIGHT, to: [{ stage: 1, gradient: "h" }] },
  ],
  relays: [{ ...LABELS, to: [1] }],
});

const RECEIVER = manifest(1, {
  inputs: [
    { ...ACTIVATION, from: 0, gradient: "g" },
    ...[SMALL, INDICES, LABELS].map((each) => ({ ...each, from: 0 })),
    { ...WEIGHT, from: 0, gradient: "h" },
  ],
});

const INT8 = { type: "int8", feedback: false } as const;

function infos(samples: number): TensorInfo[] {
  return [ACTIVATION, SMALL, INDICES, LABELS, WEIGHT].map(({ value, dtype, dims }) => {
    return { name: value, dtype, dims: dimsAt(dims, samples) };
  });
}

function headOf(kind: "forward" | "backward" | "evaluate", tensors: readonly TensorInfo[]) {
  const samples = tensors[0]!.dims[0]!;
  return { kind, microBatch: 3, step: 1, weightVersion: 2, samples, tensors } as const;
}

function dataOf(tensors: readonly TensorInfo[], seed = 1): Uint8Array[] {
  return tensors.map(({ dtype, dims }, n) => {
    const bytes = alignedBytes(byteCount(dtype, dims));
    const floats = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
    floats.forEach((_, i) => floats[i] = Math.sin(seed + n + i));
    return bytes;
  });
}

/** Takes what comes as a stage does, and keeps copies of it. */
class Taker implements Receiver {
  readonly taken: { head: TensorHead; data: Uint8Array[] }[] = [];
  #places: Uint8Array[] = [];
  #next = Promise.withResolvers<void>();

  place({ tensors }: TensorHead): Uint8Array[] {
    return this.#places = tensors.map(({ dtype, dims }) => alignedBytes(byteCount(dtype, dims)));
  }

  arrived(head: TensorHead): void {
    this.taken.push({ head, data: this.#places.map((bytes) => bytes.slice()) });
    this.#next.resolve();
    this.#next = Promise.withResolvers();
  }

  control(): void {}

  get next(): Promise<void> {
    return this.#next.promise;
  }
}

interface Pair {
  readonly sender: PackedLink;
  readonly receiver: PackedLink;
  /** The ends under them. */
  readonly raw: readonly [Link, Link];
  readonly taker: Taker;
}

function linked(activations: CodecConfig, gradients = activations): Pair {
  const raw = memoryLinks(
    { nodeId: "node_0", address: "a:1" },
    { nodeId: "node_1", address: "b:2" },
  );
  const averaging = { type: "none" } as const;
  const compression = { activations, gradients, averaging };
  const options = (node: string, manifest: StageManifest) => ({ node, manifest, compression });
  const sender = new PackedLink(raw[0], 1, options("node_0", SENDER));
  const receiver = new PackedLink(raw[1], 0, options("node_1", RECEIVER));
  const taker = new Taker();
  receiver.start(taker);
  return { sender, receiver, raw, taker };
}

async function close({ sender, receiver }: Pick<Pair, "sender" | "receiver">): Promise<void> {
  await Promise.all([sender.close(), receiver.close()]);
}

function worst(a: Uint8Array, b: Uint8Array): number {
  const [x, y] = [floatsOf(a), floatsOf(b)];
  return x.reduce((most, value, i) => Math.max(most, Math.abs(value - y[i]!)), 0);
}

Deno.test("activations are packed; indices, labels, weights and small ones are not", async () => {
  const pair = linked(INT8);
  for (const samples of [BATCH, 3, 8]) {
    const tensors = infos(samples);
    const data = dataOf(tensors, samples);
    const came = pair.taker.next;
    await pair.sender.send(headOf("forward", tensors), data);
    await came;
    const { head, data: taken } = pair.taker.taken.at(-1)!;
    assert.deepEqual(head, headOf("forward", tensors));
    assert.ok(worst(taken[0]!, data[0]!) > 0 && worst(taken[0]!, data[0]!) <= 1 / 254 * 1.01);
    for (const i of [1, 2, 3, 4]) assert.deepEqual(taken[i], new Uint8Array(data[i]!));
  }
  const raw = [8, 3, 8].reduce((sum, samples) => sum + samples * (40 * 4 * 4 + 8 * 4) + 4800, 0);
  const saved = [8, 3, 8].reduce((sum, n) => sum + n * 40 * 3 - Math.ceil(n * 40 / 64) * 4, 0);
  assert.deepEqual(pair.sender.sent, [{
    ...{ from: "node_0", to: "node_1", content: "forward", messages: 3 },
    ...{ bytes_raw: raw, bytes_sent: raw - saved },
  }]);
  await close(pair);
});

Deno.test("without compression the very buffers are handed on", async () => {
  const pair = linked({ type: "none" });
  const tensors = infos(BATCH);
  const data = dataOf(tensors);
  const handed: unknown[] = [];
  const link = new Proxy(pair.raw[0], {
    get: (target, name) =>
      name === "send" ? (...sent: unknown[]) => Promise.resolve(void handed.push(...sent)) : (
        Reflect.get(target, name)
      ),
  });
  const head = headOf("forward", tensors);
  await new PackedLink(link, 1, { node: "node_0", manifest: SENDER }).send(head, data);
  assert.ok(handed[0] === head && handed[1] === data);
  await close(pair);
});

Deno.test("gradients go back by a codec of their own, validation batches as they are", async () => {
  const back = linked({ type: "none" }, { type: "f16", feedback: false });
  const taker = new Taker();
  back.sender.start(taker);
  const gradient = [{ name: "a", dtype: "float32", dims: [BATCH, 40] }] as const;
  const [data] = dataOf(gradient);
  const came = taker.next;
  await back.receiver.send(headOf("backward", gradient), [data!]);
  await came;
  const { head, data: taken } = taker.taken[0]!;
  assert.deepEqual(head, headOf("backward", gradient));
  const halves = new Float32Array(new Float16Array(floatsOf(data!)));
  assert.deepEqual(floatsOf(taken[0]!), halves);
  assert.equal(back.receiver.sent[0]!.bytes_sent, BATCH * 40 * 2);
  await close(back);

  const forth = linked(INT8);
  const tensors = infos(BATCH);
  const all = dataOf(tensors);
  const arrived = forth.taker.next;
  await forth.sender.send(headOf("evaluate", tensors), all);
  await arrived;
  assert.deepEqual(forth.taker.taken[0]!.data, all.map((bytes) => new Uint8Array(bytes)));
  await close(forth);
});

Deno.test("a buffer may be used again as soon as its message is packed", async () => {
  const pair = linked(INT8);
  const tensors = infos(BATCH);
  const sent: Promise<void>[] = [];
  const data = dataOf(tensors);
  for (let i = 0; i < 5; i++) {
    floatsOf(data[0]!).fill(i + 1);
    sent.push(pair.sender.send(headOf("forward", tensors), data));
  }
  await Promise.all(sent);
  while (pair.taker.taken.length < 5) await pair.taker.next;
  pair.taker.taken.forEach(({ data }, i) => {
    for (const value of floatsOf(data[0]!)) assert.ok(Math.abs(value - (i + 1)) < 1e-5);
  });
  await close(pair);
});

Deno.test("a NaN arrives as a NaN", async () => {
  const codecs: CodecConfig[] = [
    ...(["f16", "bf16", "int8"] as const).map((type) => ({ type, feedback: false })),
    { type: "topk", share: 0.01, feedback: true },
  ];
  for (const codec of codecs) {
    const pair = linked(codec);
    const tensors = infos(BATCH);
    const data = dataOf(tensors);
    floatsOf(data[0]!)[77] = NaN;
    const came = pair.taker.next;
    await pair.sender.send(headOf("forward", tensors), data);
    await came;
    assert.ok(Number.isNaN(floatsOf(pair.taker.taken[0]!.data[0]!)[77]), codec.type);
    await close(pair);
  }
});

Deno.test("bytes that no sender packs so end the link, naming sender and tensor", async () => {
  const { raw, receiver } = linked(INT8);
  const packed = { name: "a", dtype: "uint8", dims: [BATCH * 40 + 5 * 4] } as const;
  const tensors = [packed, ...infos(BATCH).slice(1)];
  const data = dataOf(tensors);
  data[0]!.fill(255);
  await raw[0].send({ ...headOf("forward", tensors), samples: BATCH }, data);
  const closed = await receiver.closed;
  assert.ok(closed.kind === "failed" && closed.error instanceof RavnError);
  assert.equal(
    closed.message,
    'node_0 at a:1 sent "a" damaged: block 0 of 320 elements as int8 has a scale that is ' +
      "negative or infinite: the message is damaged",
  );
});
