import { listZip } from "./zip.ts";
import { expandPattern } from "./pattern.ts";
import { openRanges, readWhole } from "./read.ts";
import { readCifar } from "./images/cifar.ts";
import { readSafetensors } from "./safetensors.ts";
import { formatOf, parseSource } from "./source.ts";

/**
 * The arrays of a data file, each written so that `readColumn` reads it: the members of an archive,
 * the columns of a parquet table, or the file itself.
 *
 * @throws {RavnError} naming a file that is missing or damaged.
 */
export async function arraysIn(source: string): Promise<string[]> {
  const { path, member } = parseSource(source);
  if (member !== undefined) return [source];
  const [first] = await expandPattern(path);
  const names = await membersOf(first!);
  return names.length === 0 ? [source] : names.map((name) => `${path}#${name}`);
}

async function membersOf(path: string): Promise<string[]> {
  switch (formatOf(path)) {
    case "npz": {
      using archive = await openRanges(path);
      const entries = (await listZip(archive)).map(({ name }) => name);
      return entries.filter((name) => name.endsWith(".npy")).map((name) => name.slice(0, -4));
    }
    case "safetensors":
      return [...readSafetensors(await readWhole(path), path).tensors.keys()];
    case "cifar":
      return ["images", ...readCifar(await readWhole(path), path).labels.keys()];
    case "parquet": {
      const { parquetColumns } = await import("./parquet.ts");
      using table = await openRanges(path);
      return await parquetColumns(table);
    }
    default:
      return [];
  }
}
