import assert from "node:assert/strict";
import { type Contents, writeSelfExtracting } from "./archive.ts";

/** Stands in for deno: prints what it was started with. */
const FAKE_DENO = '#!/bin/sh\necho "library=$RAVN_ORT_LIB" "$@"\nexit 7\n';

const TOOLS = ["sh", "tail", "gzip", "tar", "mktemp", "mkdir", "mv", "rm", "ls"];

function contents(main: string): Contents {
  const bytes = (text: string) => new TextEncoder().encode(text);
  // Random enough to need several blocks of gzip.
  const noise = new Uint8Array(200_000).map((_, i) => (i * i * 2654435761) >>> 13);
  return {
    files: [
      { path: "deno", bytes: bytes(FAKE_DENO), executable: true },
      { path: "main.js", bytes: bytes(main), executable: false },
      { path: "lib.so", bytes: noise, executable: false },
    ],
    main: "main.js",
    library: "lib.so",
  };
}

interface Result {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** A folder with a shipped file, a PATH of nothing but `TOOLS`, and a cache. */
class Machine implements AsyncDisposable {
  private constructor(readonly folder: string) {}

  static async make(): Promise<Machine> {
    const machine = new Machine(await Deno.makeTempDir());
    await Deno.mkdir(`${machine.folder}/bin`);
    for (const tool of TOOLS) {
      const found = ["/usr/bin", "/bin"].map((folder) => `${folder}/${tool}`).find(exists);
      if (found) await Deno.symlink(found, `${machine.folder}/bin/${tool}`);
    }
    await machine.ship("1");
    return machine;
  }

  ship(main: string): Promise<void> {
    return writeSelfExtracting(`${this.folder}/ravn`, contents(main));
  }

  async run(words: readonly string[], environment: Record<string, string> = {}): Promise<Result> {
    const { code, stdout, stderr } = await new Deno.Command(`${this.folder}/ravn`, {
      args: [...words],
      clearEnv: true,
      env: { PATH: `${this.folder}/bin`, RAVN_CACHE: `${this.folder}/cache`, ...environment },
    }).output();
    const decoder = new TextDecoder();
    return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
  }

  /** Names in the cache. */
  async cache(): Promise<string[]> {
    const names: string[] = [];
    for await (const entry of Deno.readDir(`${this.folder}/cache`)) names.push(entry.name);
    return names;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.folder, { recursive: true });
  }
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

Deno.test("it unpacks once, hands on its arguments, and ends with the program's code", async () => {
  await using machine = await Machine.make();
  for (let start = 0; start < 2; start++) {
    const { code, out, err } = await machine.run(["eval", "a b", ""]);
    assert.deepEqual([code, err], [7, ""]);
    const [version] = await machine.cache();
    const app = `${machine.folder}/cache/${version}`;
    assert.match(
      out,
      new RegExp(`^library=${app}/lib\\.so run -A .* ${app}/main\\.js eval a b \n`),
    );
  }
  assert.equal((await machine.cache()).length, 1);
});

Deno.test("a library that the user names is kept", async () => {
  await using machine = await Machine.make();
  const { out } = await machine.run([], { RAVN_ORT_LIB: "/opt/ort.so" });
  assert.match(out, /^library=\/opt\/ort\.so /);
});

Deno.test("first starts at the same moment all succeed and leave one version", async () => {
  await using machine = await Machine.make();
  const results = await Promise.all(Array.from({ length: 8 }, () => machine.run([])));
  for (const { code, err } of results) assert.deepEqual([code, err], [7, ""]);
  assert.equal((await machine.cache()).length, 1);
});

Deno.test("a truncated or damaged file says so and leaves nothing in the cache", async () => {
  await using machine = await Machine.make();
  const whole = await Deno.readFile(`${machine.folder}/ravn`);
  const flipped = whole.slice();
  flipped[whole.length >> 1]! ^= 0xff;
  for (const bytes of [whole.subarray(0, whole.length - 100), whole.subarray(0, 5000), flipped]) {
    await Deno.writeFile(`${machine.folder}/ravn`, bytes);
    const { code, out, err } = await machine.run([]);
    assert.deepEqual([code, out], [126, ""]);
    assert.match(err, /^ravn: .* is damaged, or the disk .* is full; expected \d+ bytes in all\n$/);
    assert.deepEqual(await machine.cache(), []);
  }
});

Deno.test("a half-removed version is unpacked anew", async () => {
  await using machine = await Machine.make();
  await machine.run([]);
  const [version] = await machine.cache();
  await Deno.remove(`${machine.folder}/cache/${version}/.complete`);
  await Deno.remove(`${machine.folder}/cache/${version}/main.js`);
  assert.equal((await machine.run([])).code, 7);
  assert.ok(exists(`${machine.folder}/cache/${version}/main.js`));
});

Deno.test("a cache that cannot be written is named, with the way out", async () => {
  await using machine = await Machine.make();
  const { code, err } = await machine.run([], { RAVN_CACHE: `${machine.folder}/ravn/cache` });
  assert.equal(code, 126);
  assert.match(err, /^ravn: cannot write to .*\/ravn\/cache; set RAVN_CACHE/);
  const homeless = await machine.run([], { RAVN_CACHE: "", HOME: "" });
  assert.equal(homeless.code, 126);
  assert.match(homeless.err, /^ravn: there is no HOME/);
});

Deno.test("old versions are pruned, other files are left alone", async () => {
  await using machine = await Machine.make();
  const names: string[][] = [];
  for (const version of ["1", "2", "3"]) {
    await machine.ship(version);
    await machine.run([]);
    names.push(await machine.cache());
    await Deno.writeTextFile(`${machine.folder}/cache/notes`, "mine");
    await age(`${machine.folder}/cache`, await machine.cache());
  }
  assert.equal((await machine.cache()).length, 3, "two versions and the notes");
  assert.ok(!(await machine.cache()).includes(names[0]![0]!), "the oldest is gone");
});

/** Makes every version look a minute older, in the order they already have. */
async function age(cache: string, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const { mtime } = await Deno.stat(`${cache}/${name}`);
    const older = new Date((mtime?.getTime() ?? 0) - 60_000);
    await Deno.utime(`${cache}/${name}`, older, older);
  }
}
