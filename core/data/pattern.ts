import { basename, dirname, join } from "node:path";
import { RavnError } from "../error.ts";

const collator = new Intl.Collator("en", { numeric: true });

/**
 * The files that a path names: itself, or those whose names fit where its last part has a `*`, in
 * the order of their names with numbers counted (`batch_2` before `batch_10`).
 *
 * @throws {RavnError} where no file fits.
 */
export async function expandPattern(path: string): Promise<string[]> {
  const [folder, pattern] = [dirname(path), basename(path)];
  if (!pattern.includes("*")) return [path];
  const parts = pattern.split("*").map((text) => text.replace(/[\\^$.+?()[\]{}|]/g, "\\$&"));
  const expression = new RegExp(`^${parts.join(".*")}$`);
  const names: string[] = [];
  try {
    for await (const entry of Deno.readDir(folder)) {
      if (!entry.isDirectory && expression.test(entry.name)) names.push(entry.name);
    }
  } catch (thrown) {
    throw new RavnError(`${path}: there is no folder ${folder}`, { cause: thrown });
  }
  if (names.length === 0) throw new RavnError(`${path}: no file in ${folder} has such a name`);
  return names.sort(collator.compare).map((name) => join(folder, name));
}
