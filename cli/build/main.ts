/**
 * `deno task build [--self-extracting]`: makes `dist/ravn`, one file that runs on machines of this
 * kind that have neither deno nor node, and tries it.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { byteSize } from "../table.ts";
import { writeSelfExtracting } from "./archive.ts";
import { compile } from "./compile.ts";
import { selfTest } from "./verify.ts";
import { type Stage, stage } from "./stage.ts";
import type { ArchiveFile } from "./tar.ts";

const DIST = fileURLToPath(new URL("../../dist", import.meta.url));

async function build(selfExtractingOnly: boolean): Promise<void> {
  const target = join(DIST, "ravn");
  await Deno.mkdir(DIST, { recursive: true });
  const folder = await Deno.makeTempDir({ prefix: "ravn-build-" });
  try {
    const staged = await stage(join(folder, "app"));
    const draft = join(folder, "ravn");
    const kind = !selfExtractingOnly && await compiled(staged, draft)
      ? "compiled"
      : await selfExtracting(staged, draft);
    await Deno.copyFile(draft, `${target}.new`);
    await Deno.rename(`${target}.new`, target);
    await report(target, kind);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** True where `deno compile` made a file that passes its own self-test. */
async function compiled(staged: Stage, target: string): Promise<boolean> {
  const obstacle = await compile(staged, target);
  if (obstacle !== undefined) {
    say(`deno compile cannot be used here (${obstacle}); making a self-extracting file`);
    return false;
  }
  const complaint = await selfTest(target);
  if (complaint === undefined) return true;
  say(`warning: the compiled file fails its self-test; making a self-extracting one\n${complaint}`);
  await Deno.remove(target);
  return false;
}

async function selfExtracting(staged: Stage, target: string): Promise<string> {
  const files: ArchiveFile[] = [
    { path: "deno", bytes: await Deno.readFile(Deno.execPath()), executable: true },
  ];
  for (const file of staged.files) {
    const bytes = await Deno.readFile(join(staged.folder, file));
    files.push({ path: file, bytes, executable: false });
  }
  await writeSelfExtracting(target, { files, main: staged.main, library: staged.library });
  const complaint = await selfTest(target);
  if (complaint !== undefined) throw new Error(`the file fails its self-test:\n${complaint}`);
  return "self-extracting";
}

async function report(target: string, kind: string): Promise<void> {
  const { size } = await Deno.stat(target);
  say(`${target}: ${kind}, ${byteSize(size)}, passes its self-test`);
}

function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`build: ${text}\n`));
}

if (import.meta.main) {
  try {
    await build(Deno.args.includes("--self-extracting"));
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
    Deno.exit(1);
  }
}
