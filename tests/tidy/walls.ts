import type { Source } from "./sources.ts";
import type { Place, Syntax } from "./syntax.ts";

/** Rooms that only compute: values in, values out. */
const PURE = [
  "core/autodiff/",
  "core/collective/",
  "core/compression/",
  "core/consensus/",
  "core/onnx/",
  "core/pipeline/",
  "core/planning/",
  "core/simulation/",
];

/** What a pure room may not touch besides `Deno` and `node:`. */
const IMPURE_MEMBERS = ["Date.now", "Math.random", "crypto.getRandomValues", "performance.now"];
const IMPURE_CALLS = ["fetch", "setInterval", "setTimeout"];

/** Files of `core/onnx` that hold the types which every room speaks. */
const SHARED_TYPES = ["facts", "graph", "tensor"].map((name) => `core/onnx/${name}.ts`);

/** A power, what has it, and who may use it. Paths are prefixes. */
interface Power {
  readonly name: string;
  readonly members: RegExp;
  readonly imports: readonly string[];
  readonly owners: readonly string[];
}

const FILE_MEMBERS =
  "chmod|chown|copyFile|create|link|makeTemp(Dir|File)|mkdir|open|read(Dir|File|" +
  "Link|TextFile)|remove|rename|symlink|truncate|utime|watchFs|write(File|TextFile)";

const POWERS: readonly Power[] = [
  {
    name: "sockets",
    members: /^Deno\.(connect|listen|startTls|serve|resolveDns)/,
    imports: ["node:net", "node:tls", "node:http", "node:https", "node:dgram"],
    owners: ["transport/"],
  },
  {
    name: "pointers",
    members: /^Deno\.(dlopen|Unsafe)/,
    imports: ["node:ffi"],
    owners: ["core/runtime/"],
  },
  {
    name: "files",
    members: new RegExp(`^Deno\\.(${FILE_MEMBERS})(Sync)?$`),
    imports: ["node:fs", "node:fs/promises"],
    // Besides the rooms: scripts that write generated code, and the folder of Unix sockets.
    owners: [
      "core/data/",
      "core/run/",
      "cli/build/",
      "core/runtime/kernels/build.ts",
      "transport/schema/generate.ts",
      "transport/unix_",
    ],
  },
  {
    name: "printing",
    members: /^(console\.\w+|Deno\.(stdout|stderr))$/,
    imports: [],
    owners: ["cli/", "core/runtime/kernels/build.ts", "transport/schema/generate.ts"],
  },
];

/** Everything in `source` that reaches through a wall of the house, as `path:line: what`. */
export function wallFaults(source: Source, syntax: Syntax): string[] {
  const { path } = source;
  if (source.isTest || path.startsWith("fixtures/")) return [];
  const say = (what: string) => (place: Place) => `${path}:${place.line}: ${what} ${place.name}`;
  const faults = POWERS.filter((power) => !startsWithAny(path, power.owners)).flatMap((power) =>
    [
      ...syntax.members.filter(({ name }) => power.members.test(name)),
      ...syntax.imports.filter(({ name }) => power.imports.includes(name)),
    ].map(say(`${power.name} are not for this room:`))
  );
  if (startsWithAny(path, PURE)) faults.push(...impurities(syntax).map(say("a pure room uses")));
  faults.push(...syntax.imports.filter(({ name }) => !mayImport(path, name)).map(say("imports")));
  return faults;
}

function impurities(syntax: Syntax): Place[] {
  const members = syntax.members.filter(({ name }) =>
    name.startsWith("Deno.") || IMPURE_MEMBERS.includes(name)
  );
  const calls = syntax.calls.filter(({ name }) => IMPURE_CALLS.includes(name));
  const imports = syntax.imports.filter(({ name }) => name.startsWith("node:"));
  return [...members, ...calls, ...imports];
}

/** Whether the wall between two files, or a file and a package, has a door. */
function mayImport(from: string, to: string): boolean {
  const [here, there] = [roomOf(from), roomOf(to)];
  if (there === undefined || here === there) return true;
  if (there === "cli") return here === "tests" || here === "bench";
  if (here === "cli" || there === "core" || SHARED_TYPES.includes(to)) return true;
  if (here === "transport") return there === "core/onnx";
  const pure = startsWithAny(`${here}/`, PURE);
  if (pure && !startsWithAny(`${there}/`, PURE)) return false;
  return to.endsWith("/mod.ts");
}

/** Room of a file: `core/onnx`, `core` for what lies in it, `transport`; none for a package. */
export function roomOf(path: string): string | undefined {
  const [first, second, third] = path.split("/");
  if (!path.endsWith(".ts") || second === undefined || path.startsWith("node:")) return undefined;
  return first === "core" && third !== undefined ? `core/${second}` : first;
}

function startsWithAny(path: string, prefixes: readonly string[]): boolean {
  return prefixes.some((prefix) => path.startsWith(prefix));
}
