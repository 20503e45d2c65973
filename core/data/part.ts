import { join } from "node:path";
import { RavnError } from "../error.ts";
import { type DType, elementCount } from "../onnx/tensor.ts";
import { type Column, readColumn } from "./column.ts";
import { type Columns, Dataset, type MadeSamples } from "./dataset.ts";
import { PICTURE_BYTES_MAX, pictureSize } from "./images/decode.ts";
import { listPictures, type PictureFolder, withClassesOf } from "./images/folder.ts";
import {
  channelsAfter,
  type Extent,
  extentAfter,
  makesEqual,
  type Step,
} from "./images/transform.ts";
import { roomForPictures } from "./made/kept.ts";
import { MASKED_FIELDS } from "./made/masked.ts";
import type { OnError, PictureRecipe, PixelRecipe } from "./made/recipe.ts";
import { isOneHot } from "./labels.ts";
import { locateNpy } from "./npy.ts";
import { openRanges, readWhole } from "./read.ts";
import { formatOf } from "./source.ts";
import type { TokenFolder } from "./text/kept_tokens.ts";
import { readLines, readPairs, readWindows } from "./text/samples.ts";
import { readTokenizer } from "./text/tokenizer.ts";

/** What is learned from text: the next token, or tokens that were hidden. */
export const TEXT_TASKS = ["next_token", "masked"] as const;

/** Where class labels of pictures come from when they are not in a file: the folders' names. */
export const FOLDER_LABELS = "folder";

/** Training or validation data, as `ravn.yaml` describes them: `inputs`, `images` or `text`. */
export interface DataFiles {
  /** One file, or files by the name of the model input they feed. */
  readonly inputs?: string | Readonly<Record<string, string>> | undefined;
  /** Likewise, or "folder"; absent where the model has its own loss or nothing is compared. */
  readonly labels?: string | Readonly<Record<string, string>> | undefined;
  /** Folder of pictures. */
  readonly images?: string | undefined;
  /** What is done with each picture. */
  readonly transform?: readonly Step[] | undefined;
  /** What is done with a picture that cannot be read; "stop" unless given. */
  readonly on_error?: OnError | undefined;
  /** Text file, or several by a `*` in the name. */
  readonly text?: string | undefined;
  /** A `tokenizer.json`, or "bytes". */
  readonly tokenizer?: string | undefined;
  /** Tokens of a sample. */
  readonly block_size?: number | undefined;
  readonly task?: typeof TEXT_TASKS[number] | undefined;
  /** A sample a line, not windows over the whole text. */
  readonly lines?: boolean | undefined;
  /** Share of the tokens that masking hides. */
  readonly mask?: number | undefined;
}

/** Larger npy files of inputs are read sample by sample. */
const ARRAY_BYTES_MAX = 2 ** 32;
const BLOCK_SIZE = 128;
const MASK_SHARE = 0.15;

async function readColumns(files: DataFiles["inputs"]): Promise<Columns> {
  const sources = typeof files === "string" ? { "": files } : files ?? {};
  const columns = new Map<string, Column>();
  for (const [name, source] of Object.entries(sources)) columns.set(name, await readColumn(source));
  return columns;
}

/** The pictures of a part, its classes numbered as in the training data. */
async function picturesOf(part: DataFiles, training?: DataFiles): Promise<PictureFolder> {
  const pictures = await listPictures(part.images!);
  if (training?.images === undefined || training.images === part.images) return pictures;
  if (part.labels !== FOLDER_LABELS || training.labels !== FOLDER_LABELS) return pictures;
  return withClassesOf(pictures, await listPictures(training.images));
}

function folderLabels({ source, labels, classes }: PictureFolder): Column {
  if (classes.length === 0) {
    throw new RavnError(
      `${source}: its pictures lie in no folders, so "labels: folder" has no classes; expected ` +
        `a folder a class, or a file of labels`,
    );
  }
  const bytes = new Uint8Array(labels.buffer);
  return { source, dtype: "int32", dims: [], count: labels.length, bytes };
}

async function pictureRecipe(part: DataFiles, pictures: PictureFolder): Promise<PictureRecipe> {
  const steps = part.transform ?? [];
  const { source: folder, files } = pictures;
  const like = join(folder, files[0]!);
  const equal = makesEqual(steps);
  const first = await readWhole(like, PICTURE_BYTES_MAX)
    .then((bytes) => pictureSize(bytes, like))
    .catch((thrown) => {
      // Where the steps say the extent, a damaged first picture is like any other.
      if (equal && thrown instanceof RavnError) return undefined;
      throw thrown;
    });
  const extent = extentAfter(steps, first ?? { width: 1, height: 1 });
  const kept = first && roomForPictures(files.length, first);
  return { kind: "pictures", folder, files, steps, extent, kept, ...(equal ? {} : { like }) };
}

function madePicture(
  o: { readonly source: string; readonly count: number; readonly part: DataFiles },
  how: PictureRecipe | PixelRecipe,
  channels: number,
): MadeSamples {
  const { source, count, part } = o;
  const dtype: DType = how.steps.some(({ type }) => type === "normalise" || type === "scale")
    ? "float32"
    : "uint8";
  const dims = [channelsAfter(how.steps, channels), how.extent.height, how.extent.width];
  checkNormalise(how.steps, dims[0]!, source);
  const inputs = [{ name: "images", source, dtype, dims }];
  return { source, count, how, onError: part.on_error ?? "stop", inputs, labels: [] };
}

function checkNormalise(steps: readonly Step[], channels: number, source: string): void {
  for (const step of steps) {
    if (step.type !== "normalise") continue;
    for (const { length } of [step.mean, step.std]) {
      if (length === 1 || length === channels) continue;
      throw new RavnError(
        `${source}: normalise has ${length} values for ${channels} channels; expected one or as ` +
          `many as channels`,
      );
    }
  }
}

async function readImages(part: DataFiles, training?: DataFiles): Promise<Dataset> {
  const pictures = await picturesOf(part, training);
  const { source, files: { length: count } } = pictures;
  const made = madePicture({ source, count, part }, await pictureRecipe(part, pictures), 3);
  const labels = part.labels === FOLDER_LABELS
    ? new Map([["", folderLabels(pictures)]])
    : await readColumns(part.labels);
  return new Dataset(new Map(), labels, made);
}

/** How the bytes of a column are pictures: [height, width], with channels before or behind. */
function layoutOf({ dims, dtype, source }: Column): PixelRecipe["shape"] & { planar: boolean } {
  const [a, b, c] = dims as [number, number, number];
  if (dtype === "uint8" && dims.length === 2) {
    return { height: a, width: b, channels: 1, planar: true };
  }
  if (dtype === "uint8" && dims.length === 3) {
    if (a === 1 || a === 3) return { height: b, width: c, channels: a, planar: true };
    if (c === 1 || c === 3) return { height: a, width: b, channels: c, planar: false };
  }
  throw new RavnError(
    `${source}: its samples are ${dtype} [${dims}]; transform takes pictures: uint8 ` +
      `[height, width], or with 1 or 3 channels before or behind`,
  );
}

/** Pictures that lie in memory, to be transformed. */
function pixelSamples(part: DataFiles, column: Column): MadeSamples {
  const steps = part.transform ?? [];
  const { planar, ...shape } = layoutOf(column);
  const from: Extent = { width: shape.width, height: shape.height };
  const bytes = new SharedArrayBuffer(column.count * elementCount(column.dims));
  new Uint8Array(bytes).set(column.bytes);
  const extent = extentAfter(steps, from);
  const how: PixelRecipe = { kind: "pixels", bytes, shape, planar, steps, extent };
  return madePicture({ source: column.source, count: column.count, part }, how, shape.channels);
}

/** The samples of a NumPy array that is too large for memory, to be read when they are needed. */
async function rowSamples(source: string, memoryMax: number): Promise<MadeSamples | undefined> {
  if (formatOf(source) !== "npy" || source.includes("*")) return undefined;
  using reader = await openRanges(source);
  if (reader.size <= memoryMax) return undefined;
  const place = await locateNpy(reader);
  if (place === undefined) return undefined;
  const { dtype, dims, count } = place;
  const how = { kind: "rows", file: source, ...place } as const;
  const inputs = [{ name: "inputs", source, dtype, dims }];
  return { source, count, how, onError: "stop", inputs, labels: [] };
}

async function readFiles(part: DataFiles, memoryMax: number): Promise<Dataset> {
  if (typeof part.inputs === "string" && part.transform === undefined) {
    const made = await rowSamples(part.inputs, memoryMax);
    if (made !== undefined) return new Dataset(new Map(), await readColumns(part.labels), made);
  }
  const inputs = await readColumns(part.inputs);
  const labels = await readColumns(part.labels);
  if (part.transform === undefined || inputs.size === 0) return new Dataset(inputs, labels);
  const [column, ...others] = inputs.values();
  if (others.length === 0) return new Dataset(new Map(), labels, pixelSamples(part, column!));
  throw new RavnError(`${column!.source}: transform takes one file of inputs, not several`);
}

async function readText(part: DataFiles, kept?: TokenFolder): Promise<Dataset> {
  const source = part.text!;
  const tokenizer = await readTokenizer(part.tokenizer ?? "bytes");
  const blockSize = part.block_size ?? BLOCK_SIZE;
  const options = { source, tokenizer, blockSize, kept };
  if (part.task !== "masked") {
    const { inputs, labels } = await (part.lines ? readLines(options) : readWindows(options));
    return new Dataset(new Map([["", inputs]]), new Map([["", labels]]));
  }
  const how = await readPairs(options, part.mask ?? MASK_SHARE);
  const value = (name: string, dims: number[]) => ({ name, source, dtype: "int32" as const, dims });
  return new Dataset(new Map(), new Map(), {
    source,
    count: how.pairs.byteLength / 12,
    how,
    onError: "stop",
    inputs: MASKED_FIELDS.inputs.map((name) => value(name, [blockSize])),
    labels: [value(MASKED_FIELDS.labels[0], [blockSize]), value(MASKED_FIELDS.labels[1], [])],
  });
}

/** How data are read. */
export interface ReadOptions {
  /** Bytes up to which an npy file of inputs is read into memory. */
  readonly memoryMax?: number | undefined;
  /** Where the tokens of text are kept between starts; nowhere if absent. */
  readonly tokens?: TokenFolder | undefined;
}

/**
 * Opens training or validation data: arrays are read into memory in the element types they are
 * stored in; pictures and masked text are made sample by sample when they are needed.
 *
 * @param training where `part` are validation data: the data whose class numbers hold
 * @throws {RavnError} naming the file that is missing, damaged or of another length.
 */
export async function readDataset(
  part: DataFiles,
  training?: DataFiles,
  { memoryMax = ARRAY_BYTES_MAX, tokens }: ReadOptions = {},
): Promise<Dataset> {
  if (part.images !== undefined) return await readImages(part, training);
  if (part.text !== undefined) return await readText(part, tokens);
  return await readFiles(part, memoryMax);
}

/** What a loss must know of labels. */
export interface LabelShape {
  readonly source: string;
  readonly dtype: DType;
  /** Shape of one sample. */
  readonly dims: readonly number[];
  /** Number of samples. */
  readonly count: number;
  /** Each sample is a vector of one 1 and otherwise 0. */
  readonly oneHot: boolean;
}

/**
 * The labels of a part by name; "" is the name of labels that were given alone. Only what they need
 * is read.
 */
export async function labelShapes(part: DataFiles): Promise<ReadonlyMap<string, LabelShape>> {
  const whole = part.text !== undefined;
  const labels = whole
    ? await readText(part)
    : part.images !== undefined && part.labels === FOLDER_LABELS
    ? new Dataset(new Map(), new Map([["", folderLabels(await listPictures(part.images))]]))
    : await readFiles({ labels: part.labels }, ARRAY_BYTES_MAX);
  const shapes = new Map<string, LabelShape>();
  for (const [name, column] of labels.labels) {
    const { source, dtype, dims } = column;
    shapes.set(name, { source, dtype, dims, count: labels.count, oneHot: isOneHot(column) });
  }
  for (const { name, source, dtype, dims } of labels.made?.labels ?? []) {
    shapes.set(name, { source, dtype, dims, count: labels.count, oneHot: false });
  }
  return shapes;
}
