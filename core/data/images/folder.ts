import { join } from "node:path";
import { messageOf, RavnError } from "../../error.ts";
import { PICTURE_NAME } from "./decode.ts";

/** Most pictures that a folder may hold. */
const PICTURES_MAX = 2 ** 26;
/** Folders inside folders that are looked into. */
const DEPTH_MAX = 8;
/** The table in which Tiny ImageNet names the class of each validation picture. */
const ANNOTATIONS = "val_annotations.txt";

/** The pictures of a folder with the classes that its layout gives them. */
export interface PictureFolder {
  /** Folder, as the user wrote it. */
  readonly source: string;
  /** Paths below the folder, sorted by class and name. */
  readonly files: readonly string[];
  /** Class names, sorted; a label is an index into them. Empty where the layout gives none. */
  readonly classes: readonly string[];
  /** Class of each file. */
  readonly labels: Int32Array<ArrayBuffer>;
}

/** True where a folder lies at `path`. */
export async function isFolder(path: string): Promise<boolean> {
  return await Deno.stat(path).then(({ isDirectory }) => isDirectory, () => false);
}

interface Entries {
  readonly folders: readonly string[];
  readonly files: readonly string[];
}

async function entriesOf(folder: string): Promise<Entries> {
  const [folders, files]: [string[], string[]] = [[], []];
  try {
    for await (const entry of Deno.readDir(folder)) {
      if (entry.name.startsWith(".")) continue;
      const isFolder = entry.isDirectory ||
        (entry.isSymlink && (await Deno.stat(join(folder, entry.name))).isDirectory);
      (isFolder ? folders : files).push(entry.name);
    }
  } catch (thrown) {
    const why = thrown instanceof Deno.errors.NotFound
      ? "no such folder"
      : `cannot be read: ${messageOf(thrown)}`;
    throw new RavnError(`${folder}: ${why}; expected a folder of pictures`, { cause: thrown });
  }
  return { folders: folders.sort(), files: files.sort() };
}

/** Paths of all pictures below `folder`, relative to `root`. */
async function picturesBelow(root: string, folder: string, depth: number): Promise<string[]> {
  const { folders, files } = await entriesOf(join(root, folder));
  const found = files.filter((name) => PICTURE_NAME.test(name)).map((name) => join(folder, name));
  if (depth > 0) {
    for (const name of folders) {
      found.push(...await picturesBelow(root, join(folder, name), depth - 1));
    }
  }
  return found;
}

/** Rows of `file<tab>class<tab>…`, as Tiny ImageNet has them. */
async function annotated(source: string): Promise<[file: string, name: string][]> {
  const table = join(source, ANNOTATIONS);
  const lines = (await Deno.readTextFile(table)).split("\n").filter((line) => line.trim() !== "");
  return lines.map((line, i) => {
    const [file, name] = line.split("\t");
    if (!file || !name) {
      throw new RavnError(`${table}:${i + 1}: expected a file and a class, parted by a tab`);
    }
    return [join("images", file), name];
  });
}

/**
 * Lists a folder of pictures. A class is a folder, its pictures lie in it at any depth (as in Tiny
 * ImageNet's `train/<class>/images/`); or the folder has Tiny ImageNet's `val_annotations.txt`.
 * Pictures that lie in the folder itself have no class.
 *
 * @throws {RavnError} naming the folder, where it is missing or holds no pictures.
 */
export async function listPictures(source: string): Promise<PictureFolder> {
  const { folders, files } = await entriesOf(source);
  let rows: [file: string, name: string][] = [];
  let classes: string[];
  if (files.includes(ANNOTATIONS)) {
    rows = await annotated(source);
    classes = [...new Set(rows.map(([, name]) => name))].sort();
  } else {
    classes = [...folders];
    for (const name of folders) {
      const found = await picturesBelow(source, name, DEPTH_MAX);
      for (const file of found) rows.push([file, name]);
    }
    const own = files.filter((name) => PICTURE_NAME.test(name));
    if (rows.length === 0) {
      classes = [];
      rows = own.map((file) => [file, ""]);
    }
  }
  if (rows.length === 0) {
    throw new RavnError(`${source}: holds no pictures; expected png or jpeg, a folder a class`);
  }
  if (rows.length > PICTURES_MAX) {
    throw new RavnError(
      `${source}: holds ${rows.length} pictures, at most ${PICTURES_MAX} are read`,
    );
  }
  const index = new Map(classes.map((name, i) => [name, i]));
  return {
    source,
    files: rows.map(([file]) => file),
    classes,
    labels: Int32Array.from(rows, ([, name]) => index.get(name) ?? -1),
  };
}

/**
 * The same pictures with the class indices of another folder, so that a class counts the same in
 * training and in validation.
 *
 * @throws {RavnError} where one folder has a class that the other lacks.
 */
export function withClassesOf(pictures: PictureFolder, training: PictureFolder): PictureFolder {
  const { source, classes, labels } = pictures;
  const unknown = classes.find((name) => !training.classes.includes(name));
  if (unknown !== undefined) {
    throw new RavnError(
      `${source}: has the class "${unknown}", which ${training.source} lacks; ` +
        `expected the classes of the training data`,
    );
  }
  const missing = training.classes.find((name) => !classes.includes(name));
  if (missing !== undefined) {
    throw new RavnError(
      `${source}: has no class "${missing}", which ${training.source} has; ` +
        `add pictures of it, or an empty folder ${join(source, missing)}`,
    );
  }
  const index = new Map(training.classes.map((name, i) => [name, i]));
  const moved = classes.map((name) => index.get(name)!);
  return { ...pictures, classes: training.classes, labels: labels.map((label) => moved[label]!) };
}
