import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { findLibrary } from "../../core/runtime/library.ts";

/** A folder that holds all a shipped ravn needs, except deno itself. */
export interface Stage {
  readonly folder: string;
  /** File name of the first module. */
  readonly main: string;
  /** File name of ONNX Runtime's library. */
  readonly library: string;
  /** Every file in the folder, by name. */
  readonly files: readonly string[];
}

const ENTRY = fileURLToPath(new URL("../main.ts", import.meta.url));
/** Threads are started by modules of their own, which the program looks for beside itself. */
const WORKERS = ["../../core/data/made/worker.ts", "../../core/run/contender.ts"]
  .map((module) => fileURLToPath(new URL(module, import.meta.url)));
const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/**
 * Bundles the program into `folder`, a module for each verb so that `--help` still loads none, and
 * puts this platform's ONNX Runtime beside it.
 */
export async function stage(folder: string): Promise<Stage> {
  await Deno.mkdir(folder, { recursive: true });
  await bundle(folder, ["--code-splitting", ENTRY]);
  for (const worker of WORKERS) await bundle(folder, [worker]);
  const library = findLibrary();
  await Deno.copyFile(library, join(folder, basename(library)));
  const files: string[] = [];
  for await (const entry of Deno.readDir(folder)) files.push(entry.name);
  return { folder, main: "main.js", library: basename(library), files: files.sort() };
}

async function bundle(folder: string, what: readonly string[]): Promise<void> {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", "--quiet", "--outdir", folder, ...what],
    cwd: ROOT,
  }).output();
  if (code !== 0) throw new Error(`deno bundle failed:\n${new TextDecoder().decode(stderr)}`);
}
