import assert from "node:assert/strict";
import { bannedFaults, docFaults, lengthFaults, nameFaults } from "./tidy/house_rules.ts";
import { type Source, sourceOf, sources } from "./tidy/sources.ts";
import { type Syntax, syntaxOf } from "./tidy/syntax.ts";
import { roomOf, wallFaults } from "./tidy/walls.ts";

type Rule = (source: Source, syntax: Syntax) => string[];

const files = await sources();
const parsed = new Map(files.map((source) => [source, syntaxOf(source)]));

function faults(rule: Rule): string[] {
  return [...parsed].flatMap(([source, syntax]) => rule(source, syntax));
}

/** What a rule says of a file with this text. */
function verdict(rule: Rule, path: string, text: string): string[] {
  const source = sourceOf(path, text);
  return rule(source, syntaxOf(source));
}

Deno.test("files, functions and lines are short", () => {
  assert.deepEqual(faults(lengthFaults), []);
});

Deno.test("rooms keep to their walls", () => {
  assert.deepEqual(faults(wallFaults), []);
});

Deno.test("names mean something", () => {
  assert.deepEqual(faults(nameFaults), []);
});

Deno.test("no any, no as unknown as, no default export", () => {
  assert.deepEqual(faults(bannedFaults), []);
});

Deno.test("what is exported has a docstring", () => {
  assert.deepEqual(faults(docFaults), []);
});

Deno.test("rooms depend on each other in one direction", () => {
  const doors = new Map<string, Set<string>>();
  for (const [source, syntax] of parsed) {
    const here = roomOf(source.path)!;
    if (source.isTest || here === "core") continue;
    const there = syntax.imports.map(({ name }) => roomOf(name)).filter((room) => room !== here);
    const known = doors.get(here) ?? new Set();
    for (const room of there) if (room !== undefined && room !== "core") known.add(room);
    doors.set(here, known);
  }
  assert.deepEqual(circleIn(doors), []);
});

/** A way that leads from a room back to itself, or nothing. */
function circleIn(doors: ReadonlyMap<string, ReadonlySet<string>>): string[] {
  const clear = new Set<string>();
  const walk = (room: string, way: readonly string[]): string[] => {
    if (way.includes(room)) return [...way.slice(way.indexOf(room)), room];
    if (clear.has(room)) return [];
    for (const next of doors.get(room) ?? []) {
      const circle = walk(next, [...way, room]);
      if (circle.length > 0) return circle;
    }
    clear.add(room);
    return [];
  };
  for (const room of doors.keys()) {
    const circle = walk(room, []);
    if (circle.length > 0) return circle;
  }
  return [];
}

Deno.test("the rules see what they should", () => {
  const pure = "core/planning/x.ts";
  const walls: [path: string, text: string, faults: number][] = [
    [pure, "export const a = Math.random();", 1],
    [pure, 'import { join } from "node:path";', 1],
    [pure, 'import { Runtime } from "../runtime/mod.ts";', 1],
    [pure, 'import { readModel } from "../onnx/mod.ts";', 0],
    [pure, 'import { readModel } from "../onnx/read.ts";', 1],
    [pure, 'import type { Graph } from "../onnx/graph.ts";', 0],
    ["core/run/x.ts", 'Deno.readFileSync("a"); // Deno.listen()', 0],
    ["core/training/x.ts", 'await Deno.readTextFile("a");', 1],
    ["core/run/x.ts", "Deno.listen({ port: 0 });", 1],
    ["core/run/x.ts", 'const s = "console.log(1)"; console.error(s);', 1],
    ["core/run/x.ts", 'await import("../../cli/output.ts");', 1],
    ["core/run/x_test.ts", 'console.log("free");', 0],
    ["transport/x.ts", 'import { plan } from "../core/planning/mod.ts";', 1],
  ];
  for (const [path, text, count] of walls) {
    assert.equal(verdict(wallFaults, path, text).length, count, `${path}: ${text}`);
  }
  const long = `/** f */\nexport function f() {\n${"  a();\n".repeat(69)}}\n`;
  assert.deepEqual(verdict(lengthFaults, "a.ts", long), [
    "a.ts:2: f has 71 lines; the most is 70",
  ]);
  assert.equal(verdict(lengthFaults, "a.ts", `// ${"x".repeat(98)}\n`).length, 1);
  assert.equal(verdict(lengthFaults, "a.ts", "a();\n".repeat(401)).length, 1);
  assert.equal(
    verdict(nameFaults, "core/run/file_utils.ts", "/** */ export class TaskManager {}").length,
    2,
  );
  assert.equal(
    verdict(bannedFaults, "a.ts", "const a = b as unknown as c;\nlet d: any;").length,
    2,
  );
  assert.equal(
    verdict(docFaults, "a.ts", "/** a */\nexport const a = 1;\n\nexport type B = 1;").length,
    1,
  );
});
