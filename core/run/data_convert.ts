import { extname } from "node:path";
import {
  type Column,
  isFolder,
  listPictures,
  openPool,
  readColumn,
  readDataset,
  SampleReader,
  writeNpy,
  writeParquet,
  writeSafetensors,
  writeWhole,
} from "../data/mod.ts";
import type { Content, DataFiles } from "../data/mod.ts";
import { RavnError } from "../error.ts";
import { byteCount } from "../onnx/mod.ts";
import type { Tensor } from "../onnx/mod.ts";
import type { DataConvertReport, DataConvertRequest } from "./data_requests.ts";
import { exists } from "./node_data.ts";

/** Pictures that are decoded at one go. */
const BATCH = 64;

function tensorOf({ dtype, count, dims, bytes }: Column): Tensor {
  return { dtype, dims: [count, ...dims], bytes };
}

/** An array as the kind of file that the name tells. */
async function fileContent(tensor: Tensor, to: string): Promise<Content> {
  switch (extname(to).toLowerCase()) {
    case ".npy":
      return writeNpy(tensor);
    case ".safetensors":
      return writeSafetensors(new Map([["data", tensor]]));
    case ".parquet":
      return await writeParquet(tensor);
    default:
      throw new RavnError(`${to}: unknown kind of file to write; .npy, .safetensors or .parquet`);
  }
}

/** Pictures of a folder as one array, uint8 [n, 3, height, width], with their class labels. */
async function pictures(
  images: string,
  size: number | undefined,
): Promise<{ readonly images: Tensor; readonly labels: Tensor | undefined }> {
  const transform: DataFiles["transform"] = size === undefined
    ? []
    : [{ type: "resize", size }, { type: "center_crop", size }];
  const labelled = await hasClasses(images);
  const part = { images, transform, ...(labelled ? { labels: "folder" } : {}) };
  const dataset = await readDataset(part);
  const { dims } = dataset.made!.inputs[0]!;
  const feeds = dataset.inputFeeds([{ name: "images", dtype: "uint8", dims }]);
  using pool = openPool(0);
  const options = { seed: 0, shuffle: false, anew: false, stream: 0, warn: () => {} };
  const reader = new SampleReader({ ...options, dataset, feeds, pool: () => pool });
  const shape = [reader.count, ...dims];
  const bytes = new Uint8Array(byteCount("uint8", shape));
  const each = byteCount("uint8", dims);
  for (let start = 0; start < reader.count; start += BATCH) {
    const at = { epoch: 0, start, samples: Math.min(BATCH, reader.count - start) };
    await reader.ready(at);
    reader.take("images", at, bytes.subarray(start * each, (start + at.samples) * each));
  }
  const column = dataset.labels.get("");
  return { images: { dtype: "uint8", dims: shape, bytes }, labels: column && tensorOf(column) };
}

async function hasClasses(images: string): Promise<boolean> {
  return (await listPictures(images)).classes.length > 0;
}

/**
 * Writes an array of a data file, or the pictures of a folder, as one file.
 *
 * @throws {RavnError} where a file is there already, unless `force`, or its kind is unknown
 */
export async function dataConvert(request: DataConvertRequest): Promise<DataConvertReport> {
  const { source, to, labels, size, force } = request;
  for (const file of labels === undefined ? [to] : [to, labels]) {
    if (!force && await exists(file)) {
      throw new RavnError(`${file} is there already; give --force to replace it`);
    }
  }
  const folder = await isFolder(source);
  if (!folder && (labels !== undefined || size !== undefined)) {
    throw new RavnError(`${source}: is no folder of pictures; --labels and --size go with those`);
  }
  const found = folder
    ? await pictures(source, size)
    : { images: tensorOf(await readColumn(source)), labels: undefined };
  if (labels !== undefined && found.labels === undefined) {
    throw new RavnError(`${source}: its pictures lie in no folders, so they have no labels`);
  }
  await writeWhole(to, await fileContent(found.images, to));
  const files = [to];
  if (labels !== undefined) {
    await writeWhole(labels, await fileContent(found.labels!, labels));
    files.push(labels);
  }
  const { dims: [samples, ...dims], dtype } = found.images;
  return { files, samples: samples!, dtype, dims };
}
