import { join } from "node:path";
import {
  arraysIn,
  decodePicture,
  elementsOf,
  emptyPicture,
  isFolder,
  listPictures,
  pictureSize,
  readColumn,
  readTokenizer,
  readWhole,
} from "../data/mod.ts";
import { messageOf, RavnError } from "../error.ts";
import type { DataInfoReport, DataInfoRequest, DataRow } from "./data_requests.ts";

/** Pictures whose headers are read, unless all are checked. */
const SIZES_MAX = 1000;
const TEXT_NAME = /\.(txt|text|md)$/i;

/**
 * Says what a data file or a folder of pictures holds.
 *
 * @throws {RavnError} naming what is missing or of an unknown kind
 */
export async function dataInfo(request: DataInfoRequest): Promise<DataInfoReport> {
  const { path } = request;
  if (await isFolder(path)) return await picturesInfo(request);
  if (TEXT_NAME.test(path) || request.tokenizer !== undefined) return await textInfo(request);
  const rows: DataRow[] = [];
  for (const name of await arraysIn(path)) rows.push(await rowOf(name, path));
  return { path, kind: "arrays", rows };
}

async function rowOf(name: string, path: string): Promise<DataRow> {
  try {
    const column = await readColumn(name);
    const { dtype, dims, count: samples } = column;
    const [low, high] = rangeOf(elementsOf(column));
    return { name, dtype, dims, samples, low, high };
  } catch (thrown) {
    if (name === path || !(thrown instanceof RavnError)) throw thrown;
    return { name, dtype: "?", dims: [], samples: 0, problem: messageOf(thrown) };
  }
}

function rangeOf(values: ArrayLike<number>): [low: number, high: number] {
  let [low, high] = [Infinity, -Infinity];
  for (let i = 0; i < values.length; i++) {
    low = Math.min(low, values[i]!);
    high = Math.max(high, values[i]!);
  }
  return [low, high];
}

async function picturesInfo({ path, check }: DataInfoRequest): Promise<DataInfoReport> {
  const { files, classes, labels } = await listPictures(path);
  const counts = new Uint32Array(classes.length);
  for (const label of labels) if (label >= 0) counts[label]! += 1;
  const sizes = new Map<string, { height: number; width: number; samples: number }>();
  const damaged: string[] = [];
  const picture = emptyPicture();
  for (const file of check ? files : files.slice(0, SIZES_MAX)) {
    const name = join(path, file);
    try {
      const bytes = await readWhole(name);
      const { width, height } = pictureSize(bytes, name);
      if (check) decodePicture(bytes, name, picture);
      const size = sizes.get(`${width}×${height}`) ?? { height, width, samples: 0 };
      sizes.set(`${width}×${height}`, { ...size, samples: size.samples + 1 });
    } catch (thrown) {
      damaged.push(messageOf(thrown));
    }
  }
  const whole = sizes.size === 1 && damaged.length === 0;
  const rows = [...sizes].map(([name, { height, width, samples }]): DataRow => ({
    name,
    dtype: "uint8",
    dims: [3, height, width],
    samples: whole ? files.length : samples,
  }));
  return {
    path,
    kind: "pictures",
    rows: rows.sort((a, b) => b.samples - a.samples),
    classes: classes.map((name, i) => ({ name, samples: counts[i]! })),
    damaged,
  };
}

async function textInfo({ path, tokenizer }: DataInfoRequest): Promise<DataInfoReport> {
  const bytes = await readWhole(path);
  const text = new TextDecoder().decode(bytes);
  const lines = text === "" ? 0 : text.split("\n").length - (text.endsWith("\n") ? 1 : 0);
  const info = { lines, bytes: bytes.length };
  if (tokenizer === undefined) return { path, kind: "text", rows: [], text: info };
  const { encode, vocabulary } = await readTokenizer(tokenizer);
  const tokens = encode(text).length;
  return { path, kind: "text", rows: [], text: { ...info, tokens, vocabulary } };
}
