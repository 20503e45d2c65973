import { dirname, join } from "node:path";
import {
  encodeJpeg,
  encodePng,
  type Picture,
  scene,
  sentences,
  sentenceTokenizer,
  sorterSamples,
  writeNpy,
  writeWhole,
} from "../data/mod.ts";
import type { Content } from "../data/mod.ts";
import { RavnError } from "../error.ts";
import { Random } from "../random.ts";
import type { DataMakeReport, DataMakeRequest } from "./data_requests.ts";
import { exists } from "./node_data.ts";

/** A file to be written, made when its turn comes. */
type MadeFile = readonly [path: string, content: () => Content];

interface MadeData {
  readonly files: readonly MadeFile[];
  readonly samples: number;
  readonly validationSamples: number;
}

/** Validation samples for so many training samples. */
function validationOf(samples: number): number {
  return Math.max(1, Math.round(samples / 5));
}

function sorter({ length, classes, samples, seed }: DataMakeRequest): MadeData {
  const validationSamples = validationOf(samples);
  const made = (part: "train" | "validation", count: number, end: string): MadeFile[] => {
    const { inputs, labels } = sorterSamples({ length, classes, samples: count, seed, part });
    return [[`x_${end}.npy`, () => writeNpy(inputs)], [`y_${end}.npy`, () => writeNpy(labels)]];
  };
  const files = [
    ...made("train", samples, "train"),
    ...made("validation", validationSamples, "val"),
  ];
  return { files, samples, validationSamples };
}

/** The picture of a sample; labels go round, so that every class has as many. */
function pictureOf(request: DataMakeRequest, side: number, part: string, i: number): Picture {
  const random = new Random(request.seed).fork(part).fork(i);
  return scene(i % request.classes, request.classes, side, random);
}

function pictures(request: DataMakeRequest): MadeData {
  const validationSamples = Math.max(request.classes, validationOf(request.samples));
  const files = (["train", "val"] as const).flatMap((part) => {
    const count = part === "train" ? request.samples : validationSamples;
    return Array.from({ length: count }, (_, i): MadeFile => [
      join(part, `class_${i % request.classes}`, `${i}.png`),
      () => encodePng(pictureOf(request, 32, part, i)),
    ]);
  });
  return { files, samples: request.samples, validationSamples };
}

/** The form of Tiny ImageNet: train/<class>/images, and a table for validation. */
function tinyImagenet(request: DataMakeRequest): MadeData {
  const { classes, samples } = request;
  const validationSamples = Math.max(classes, validationOf(samples));
  const name = (label: number) => `n${String(label + 1).padStart(8, "0")}`;
  const jpeg = (part: string, i: number) => () => encodeJpeg(pictureOf(request, 64, part, i));
  const train = Array.from({ length: samples }, (_, i): MadeFile => {
    const folder = name(i % classes);
    return [
      join("train", folder, "images", `${folder}_${Math.floor(i / classes)}.JPEG`),
      jpeg("train", i),
    ];
  });
  const rows = Array.from({ length: validationSamples }, (_, i) => i);
  const val = rows.map((i): MadeFile => [join("val", "images", `val_${i}.JPEG`), jpeg("val", i)]);
  const table = rows.map((i) => `val_${i}.JPEG\t${name(i % classes)}\t0\t0\t63\t63\n`).join("");
  const names = Array.from({ length: classes }, (_, label) => `${name(label)}\n`).join("");
  const tables: MadeFile[] = [
    ["wnids.txt", () => names],
    [join("val", "val_annotations.txt"), () => table],
  ];
  return { files: [...tables, ...train, ...val], samples, validationSamples };
}

/** The form of CIFAR-10's binary version, in five batches and a test batch. */
function cifar10(request: DataMakeRequest): MadeData {
  const { samples, classes } = request;
  const validationSamples = validationOf(samples);
  if (classes > 10) throw new RavnError(`cifar10 has at most 10 classes, got ${classes}`);
  const batch = (part: string, start: number, end: number) => () => {
    const record = 1 + 3 * 32 * 32;
    const bytes = new Uint8Array((end - start) * record);
    for (let i = start; i < end; i++) {
      const { data } = pictureOf(request, 32, part, i);
      const at = (i - start) * record;
      bytes[at] = i % classes;
      for (let j = 0; j < data.length; j++) {
        bytes[at + 1 + (j % 3) * 1024 + Math.floor(j / 3)] = data[j]!;
      }
    }
    return bytes;
  };
  const edges = Array.from({ length: 6 }, (_, i) => Math.round(samples * i / 5));
  const train = edges.slice(1).map((end, i): MadeFile => [
    `data_batch_${i + 1}.bin`,
    batch("train", edges[i]!, end),
  ]);
  const test: MadeFile = ["test_batch.bin", batch("test", 0, validationSamples)];
  return { files: [...train, test], samples, validationSamples };
}

function text({ samples, seed }: DataMakeRequest): MadeData {
  const validationSamples = validationOf(samples);
  const random = new Random(seed);
  const files: MadeFile[] = [
    ["train.txt", () => sentences(samples, random.fork("train"))],
    ["val.txt", () => sentences(validationSamples, random.fork("val"))],
    ["tokenizer.json", sentenceTokenizer],
  ];
  return { files, samples, validationSamples };
}

const KINDS = { sorter, pictures, tiny_imagenet: tinyImagenet, cifar10, text } as const;

/**
 * Makes up data: the sorter's, or a small stand-in of the form that a real data set has. The same
 * request makes the same files.
 *
 * @throws {RavnError} where one of the files is there already, unless `force`
 */
export async function dataMake(request: DataMakeRequest): Promise<DataMakeReport> {
  const { out, kind, force } = request;
  const { files, samples, validationSamples } = KINDS[kind](request);
  for (const [path] of files) {
    if (!force && await exists(join(out, path))) {
      throw new RavnError(`${join(out, path)} is there already; give --force to replace it`);
    }
  }
  const folders = new Set(files.map(([path]) => dirname(join(out, path))));
  for (const folder of folders) await Deno.mkdir(folder, { recursive: true });
  for (const [path, content] of files) await writeWhole(join(out, path), content());
  return { out, files: files.length, samples, validationSamples };
}
