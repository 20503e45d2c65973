import { createHash } from "node:crypto";
import { join } from "node:path";
import { messageOf, RavnError } from "../../error.ts";
import type { Tensor } from "../../onnx/tensor.ts";
import { fileHash } from "../file_hash.ts";
import { expandPattern } from "../pattern.ts";
import { readWhole } from "../read.ts";
import { readSafetensors, writeSafetensors } from "../safetensors.ts";
import { writeWhole } from "../write.ts";
import { BYTES } from "./tokenizer.ts";

/** Changes with the way in which text becomes tokens: what was kept before is made anew. */
const FORMAT = 1;
/** Digits of a hash that tell files of one folder apart. */
const NAME_DIGITS = 16;

/** Where the tokens of texts are kept, so that the next start finds them. */
export interface TokenFolder {
  /** Made when the first tokens are kept, in a folder that is there. */
  readonly folder: string;
  /** Told of what was damaged, or could not be kept. */
  readonly warn: (message: string) => void;
}

/** A text, and what is made of it. */
export interface KeptText {
  /** File, or a pattern with `*`. */
  readonly source: string;
  /** File of the tokenizer, or `bytes`. */
  readonly tokenizer: string;
  /** How the ids are laid out, with all options that they depend on. */
  readonly layout: string;
}

/**
 * Token ids of a text: those that were kept for the same content of text and tokenizer and the same
 * layout, else those that `make` gives, which are kept then. There is one file for a text and a
 * layout, a safetensors file; tokens of another content are replaced. Bytes as tokens are not kept:
 * to read them would take as long as to make them.
 *
 * @throws {RavnError} where text or tokenizer cannot be read, or as `make` does
 */
export async function keptTokens(
  text: KeptText,
  kept: TokenFolder | undefined,
  make: () => Promise<readonly Int32Array<ArrayBuffer>[]>,
): Promise<readonly Int32Array<ArrayBuffer>[]> {
  if (kept === undefined || text.tokenizer === BYTES) return await make();
  const file = join(
    kept.folder,
    `${hashOf(Object.values(text)).slice(0, NAME_DIGITS)}.safetensors`,
  );
  const content = await contentOf(text);
  const found = await read(file, content, kept);
  if (found !== undefined) return found;
  const ids = await make();
  try {
    await Deno.mkdir(kept.folder).catch((thrown) => {
      if (!(thrown instanceof Deno.errors.AlreadyExists)) throw thrown;
    });
    const metadata = new Map([["content", content], ["sum", sumOf(ids)]]);
    await writeWhole(file, writeSafetensors(new Map(ids.map(asTensor)), metadata));
  } catch (thrown) {
    kept.warn(`the tokens of ${text.source} are not kept: ${messageOf(thrown)}`);
  }
  return ids;
}

function hashOf(parts: readonly string[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex");
}

/** What the ids depend on, as a hash. */
async function contentOf({ source, tokenizer, layout }: KeptText): Promise<string> {
  const parts = [String(FORMAT), layout, await fileHash(tokenizer)];
  for (const file of await expandPattern(source)) parts.push(await fileHash(file));
  return hashOf(parts);
}

function bytesOf(ids: Int32Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength);
}

function sumOf(ids: readonly Int32Array<ArrayBuffer>[]): string {
  const hash = createHash("sha256");
  for (const each of ids) hash.update(bytesOf(each));
  return hash.digest("hex");
}

function asTensor(ids: Int32Array<ArrayBuffer>, i: number): [name: string, tensor: Tensor] {
  return [`ids.${i}`, { dtype: "int32", dims: [ids.length], bytes: bytesOf(ids) }];
}

/** What a file holds; undefined where there is none, it is of another content, or damaged. */
async function read(
  file: string,
  content: string,
  { warn }: TokenFolder,
): Promise<Int32Array<ArrayBuffer>[] | undefined> {
  try {
    await Deno.stat(file);
  } catch {
    return undefined;
  }
  try {
    const { tensors, metadata } = readSafetensors(await readWhole(file), file);
    if (metadata.get("content") !== content) return undefined;
    const ids = [...tensors.values()].map(({ bytes }) => new Int32Array(bytes.slice().buffer));
    if (metadata.get("sum") === sumOf(ids)) return ids;
    throw new RavnError(`${file}: its sum does not fit`);
  } catch (thrown) {
    warn(`kept tokens are damaged and made anew: ${messageOf(thrown)}`);
    return undefined;
  }
}
