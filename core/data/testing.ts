/** What the tests of this room share. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { RavnError } from "../error.ts";

/** A folder that is gone at the end of the block that holds it by `await using`. */
export interface TempFolder extends AsyncDisposable {
  readonly path: string;
  /** Writes a file in it and returns its path. */
  file(name: string, content: Uint8Array | string): Promise<string>;
}

/** Makes an empty folder for one test. */
export async function tempFolder(): Promise<TempFolder> {
  const path = await Deno.makeTempDir({ prefix: "ravn-test-" });
  return {
    path,
    async file(name, content) {
      const file = join(path, name);
      if (typeof content === "string") await Deno.writeTextFile(file, content);
      else await Deno.writeFile(file, content);
      return file;
    },
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}

/** Path of a file in `fixtures/`. */
export function fixture(path: string): string {
  return new URL(`../../fixtures/${path}`, import.meta.url).pathname;
}

/** Checks that `action` fails with a RavnError of one line that matches `message`. */
export async function assertRefused(
  action: () => unknown | Promise<unknown>,
  message: RegExp,
): Promise<void> {
  await assert.rejects(async () => await action(), (thrown) => {
    assert.ok(thrown instanceof RavnError, `not a RavnError: ${thrown}`);
    assert.match(thrown.message, message);
    assert.ok(!thrown.message.includes("\n"), `more than one line: ${thrown.message}`);
    return true;
  });
}
