/**
 * Every example from one command to a trained file, on made-up data where its own must be fetched:
 * three processes train some steps, their parts are joined, ONNX Runtime evaluates the whole.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseConfig } from "../core/run/config.ts";
import { parseEvent } from "../core/run/events.ts";
import { EXAMPLES } from "../examples/list.ts";
import { assertOneLine } from "./assertions.ts";

const ROOM = fileURLToPath(new URL("../examples/", import.meta.url));
const DEADLINE_MS = 180_000;

interface Ending {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function example(...words: string[]): Promise<Ending> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", join(ROOM, "run.ts"), ...words],
    env: { NO_COLOR: "1", RAVN_TOKEN: "" },
    stdin: "null",
    signal: AbortSignal.timeout(DEADLINE_MS),
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), err: text(stderr) };
}

async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "ravn-example-" });
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The line that an example ends with, as numbers by their names. */
function scoresOf(out: string): ReadonlyMap<string, number> {
  const line = out.trimEnd().split("\n").at(-1)!;
  return new Map([...line.matchAll(/(\w+)=([\d.,]+)/g)].map(([, name, value]) => [
    name!,
    Number(value!.replaceAll(",", "")),
  ]));
}

/** Loss of the trained stages on the validation data, told by the last of them. */
async function lastValidation(folder: string): Promise<number> {
  const lines = (await Deno.readTextFile(join(folder, "metrics.jsonl"))).trimEnd().split("\n");
  const events = lines.map(parseEvent).filter((event) => event?.event === "validation");
  return events.at(-1)!.loss;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Runs an example for some updates and checks all but how much it has learned. */
async function runs(
  name: string,
  steps: number,
  learned: (scores: ReadonlyMap<string, number>) => void = () => {},
): Promise<void> {
  await inFolder(async (folder) => {
    const { code, out, err } = await example(name, folder, "--standin", "--steps", `${steps}`);
    assert.equal(code, 0, `${out}${err}`);
    assert.match(out, /\n {4}2 {2}node_2 .* leaf/, "three stages");
    const losses = (await Deno.readTextFile(join(folder, "losses.txt"))).trim().split("\n")
      .map(Number);
    assert.equal(losses.length, steps);
    const part = Math.ceil(steps / 4);
    assert.ok(mean(losses.slice(-part)) < mean(losses.slice(0, part)), `${losses}`);
    assert.deepEqual(
      (await Array.fromAsync(Deno.readDir(join(folder, "trained")), ({ name }) => name)).sort(),
      ["trained.onnx", "trained.safetensors"],
    );
    const scores = scoresOf(out);
    const [joined, stages] = [scores.get("loss")!, await lastValidation(folder)];
    // Text is masked by another seed when it is evaluated; the rest differs by rounding.
    const share = name === "bert" ? 0.01 : 1e-4;
    const off = Math.abs(joined - stages);
    assert.ok(off <= share * (1 + stages), `${joined} joined, ${stages} in stages`);
    learned(scores);
  });
}

Deno.test("cnn", () =>
  runs("cnn", 170, (scores) => assert.ok(scores.get("accuracy")! > 85, `${[...scores]}`)));

Deno.test("resnet50", () => runs("resnet50", 12));

Deno.test("inception_v3", () => runs("inception_v3", 12));

Deno.test("bert", () => runs("bert", 12));

Deno.test("sorter", () =>
  runs("sorter", 1000, (scores) => assert.ok(scores.get("sequences")! >= 95, `${[...scores]}`)));

Deno.test("configurations are valid, and stand-ins are as the real run", async () => {
  for (const { name, data } of EXAMPLES) {
    const read = async (file: string) =>
      parseConfig(await Deno.readTextFile(join(ROOM, name, file)), file);
    const config = await read("ravn.yaml");
    if (data.from !== "user") continue;
    const standIn = await read("standin.yaml");
    assert.deepEqual(standIn.loss, config.loss, name);
    assert.deepEqual(
      { ...standIn.optimizer, lr: 0 },
      { ...config.optimizer, lr: 0 },
      name,
    );
  }
});

Deno.test("data that are not there are named, with where they come from", async () => {
  await inFolder(async (folder) => {
    const before = [...Deno.readDirSync(folder)];
    const ending = await example("resnet50", folder);
    assert.equal(ending.code, 2);
    assert.match(
      assertOneLine(ending),
      /there is no .*tiny-imagenet-200.train; fetch Tiny ImageNet from http:.*--data.*--standin/,
    );
    assert.deepEqual([...Deno.readDirSync(folder)], before);
    for (const words of [["resnet"], [], ["cnn", folder, "--steps", "0"], ["cnn", "--stand"]]) {
      const refused = await example(...words);
      assert.equal(refused.code, 2, `${words}`);
      assertOneLine(refused);
    }
  });
});
