import { basename, join } from "node:path";
import {
  autoWorkers,
  encodePng,
  linearOf,
  openPool,
  readDataset,
  SampleReader,
  writeWhole,
} from "../data/mod.ts";
import type { Step } from "../data/mod.ts";
import { RavnError } from "../error.ts";
import { readConfig } from "./config.ts";
import type { DataSampleReport, DataSampleRequest } from "./data_requests.ts";

/** Values as the model takes them, back to bytes: the inverse of `scale` and `normalise`. */
function pixelsOf(values: Float32Array, channels: number, steps: readonly Step[]): Uint8Array {
  const { factor, offset } = linearOf(steps, channels);
  const pixels = values.length / channels;
  const data = new Uint8Array(values.length);
  for (let c = 0; c < channels; c++) {
    for (let i = 0; i < pixels; i++) {
      const value = (values[c * pixels + i]! - offset[c]!) / factor[c]!;
      data[i * channels + c] = Math.min(255, Math.max(0, Math.round(value)));
    }
  }
  return data;
}

/**
 * Writes the first pictures of an epoch as the model gets them, but for scaling and normalising.
 *
 * @throws {RavnError} where the configuration has no pictures to transform
 */
export async function dataSample(request: DataSampleRequest): Promise<DataSampleReport> {
  const { part: name, count, epoch, out } = request;
  const { data, seed } = await readConfig(request.config ?? "ravn.yaml", request.set);
  const part = data[name];
  if (part === undefined) throw new RavnError(`the configuration has no data.${name}`);
  const dataset = await readDataset(part, name === "train" ? undefined : data.train);
  const { made } = dataset;
  if (made === undefined || made.how.kind === "masked" || made.how.kind === "rows") {
    throw new RavnError(
      `data.${name} has no pictures to show; expected images, or inputs with a transform`,
    );
  }
  const { steps } = made.how;
  const [channels, height, width] = made.inputs[0]!.dims as [number, number, number];
  const dims = [channels, height, width];
  const feeds = dataset.inputFeeds([{ name: "images", dtype: "float32", dims }]);
  const warnings: string[] = [];
  using pool = openPool(data.workers === "auto" ? autoWorkers() : data.workers);
  const reader = new SampleReader({
    dataset,
    feeds,
    seed,
    shuffle: name === "train" && data.shuffle,
    anew: name === "train",
    pool: () => pool,
    stream: 0,
    warn: (message) => warnings.push(message),
  });
  const at = { epoch, start: 0, samples: Math.min(count, reader.count) };
  await reader.ready(at);
  const values = new Float32Array(at.samples * channels * height * width);
  reader.take("images", at, new Uint8Array(values.buffer));
  await Deno.mkdir(out, { recursive: true });
  const files: string[] = [];
  const each = channels * height * width;
  for (let i = 0; i < at.samples; i++) {
    const pixels = pixelsOf(values.subarray(i * each, (i + 1) * each), channels, steps);
    const file = join(out, `${basename(name)}_${epoch}_${String(i).padStart(4, "0")}.png`);
    await writeWhole(file, encodePng({ width, height, channels, data: pixels }));
    files.push(file);
  }
  return { files, warnings };
}
