/**
 * Stages that send each other compressed tensors: they learn as well, say what it saved, repeat
 * themselves bit for bit, and refuse to train with a peer that compresses otherwise.
 */
import assert from "node:assert/strict";
import type { CodecConfig } from "../core/compression/mod.ts";
import type { LinkBytes, RunEvent } from "../core/run/events.ts";
import { assertOneLine } from "./assertions.ts";
import { runInProcess } from "./in_process.ts";
import { BATCHES, difference, problem, settings, shape } from "./made_up_problem.ts";
import { Project } from "./project.ts";

/** After these the uncompressed network is right in 96 to 97 % of the validation set. */
const EPOCHS = 35;
/** Bytes that an element of f32 takes by each codec, over 4. */
const SHARES = { f16: 0.5, int8: (1 + 4 / 64) / 4 } as const;

/** The links of all traffic events among lines of JSON. */
function trafficOf(lines: readonly string[]): LinkBytes[] {
  const events = lines.map((line) => JSON.parse(line) as RunEvent);
  return events.flatMap((event) => event.event === "traffic" ? event.links : []);
}

function byName(a: LinkBytes, b: LinkBytes): number {
  return `${a.from} ${a.to} ${a.content}`.localeCompare(`${b.from} ${b.to} ${b.content}`);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

for (const codec of ["f16", "int8"] as const) {
  Deno.test(`digits in three stages by ${codec}: at least 95 %, and the bytes saved`, async () => {
    const compression = { activations: codec, gradients: codec };
    const configuration = { compression, epochs: EPOCHS, val_freq: 17 * EPOCHS };
    await using project = await Project.make({ configuration });
    await project.succeed("clusterize", "--split", "params");
    const told = (await project.succeed("train", "--json")).trimEnd().split("\n");
    const [accuracy] = await project.numbers("val_accuracies.txt");
    assert.ok(accuracy! >= 95, `${accuracy} %`);
    const { metrics } = JSON.parse(told.at(-1)!);
    assert.ok(Math.abs(metrics.accuracy - accuracy!) <= 0.1, `${metrics.accuracy} % when joined`);

    const links = trafficOf(told);
    assert.deepEqual(
      trafficOf(await project.lines("metrics.jsonl")).sort(byName),
      links.sort(byName),
    );
    const between = (from: string, to: string, content: string) =>
      links.find((link) => link.from === from && link.to === to && link.content === content)!;
    for (
      const { bytes_raw, bytes_sent, messages } of [
        between("node_0", "node_1", "forward"),
        between("node_1", "node_2", "forward"),
        between("node_2", "node_1", "backward"),
        between("node_1", "node_0", "backward"),
      ]
    ) {
      assert.equal(messages, 17 * EPOCHS);
      assert.ok(Math.abs(bytes_sent / bytes_raw - SHARES[codec]) < 0.001);
    }
    const labels = between("node_0", "node_2", "forward");
    assert.equal(labels.bytes_sent, labels.bytes_raw);
    for (const { content, bytes_raw, bytes_sent } of links) {
      if (content === "validation") assert.equal(bytes_sent, bytes_raw);
    }
  });
}

Deno.test("compressed runs repeat bit for bit, with feedback too, and learn", async () => {
  const base = await problem("residual");
  const codecs: CodecConfig[] = [
    { type: "bf16", feedback: false },
    { type: "int8", feedback: true },
    { type: "topk", share: 0.3, feedback: true },
  ];
  const run = (codec: CodecConfig) =>
    runInProcess({
      ...base,
      cuts: [5, 11],
      settings: {
        ...settings,
        ...{ schedule: "async", inFlight: 3, microBatches: 1 },
        compression: { activations: codec, gradients: codec, averaging: { type: "none" } },
      },
      shape: { ...shape, micro_batches: 1 },
    });
  const plain = await run({ type: "none" });
  for (const codec of codecs) {
    const [first, second] = [await run(codec), await run(codec)];
    assert.deepEqual(first.losses, second.losses);
    assert.equal(difference(first.tensors, second.tensors).value, 0);
    assert.notDeepEqual(first.losses, plain.losses);
    const [begin, end] = [first.losses.slice(0, BATCHES), first.losses.slice(-BATCHES)].map(mean);
    assert.ok(end! < begin! * 0.6, `${codec.type}: from a loss of ${begin} to ${end}`);
  }
});

Deno.test("half precision on the links changes little of the first losses", async () => {
  const base = await problem("residual");
  const run = (type: "none" | "f16") =>
    runInProcess({
      ...base,
      cuts: [5, 11],
      settings: {
        ...settings,
        compression: {
          activations: { type, feedback: false },
          gradients: { type, feedback: false },
          averaging: { type: "none" },
        },
      },
    });
  const [plain, halves] = [await run("none"), await run("f16")];
  plain.losses.slice(0, 4 * BATCHES).forEach((loss, i) => {
    assert.ok(
      Math.abs(loss - halves.losses[i]!) < 0.005 * loss,
      `${i}: ${halves.losses[i]}, not ${loss}`,
    );
  });
});

Deno.test("providers that compress otherwise are refused, with both ways", async () => {
  await using project = await Project.make({ configuration: { epochs: 2 }, nodes: 2 });
  await project.succeed("clusterize", "--split", "params");
  const other = project.provide(1, ["--set", "compression.activations=int8"]);
  const root = await project.provide(0).ended;
  assert.deepEqual([root.code, (await other.ended).code], [1, 1], root.err);
  assert.match(
    assertOneLine(await other.ended),
    /the root trains with compression \{"activations":\{"type":"none"\}.*node_1 has .*int8.*; use/,
  );
});
