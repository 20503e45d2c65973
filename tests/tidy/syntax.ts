import { dirname, join } from "node:path/posix";
import type { Source } from "./sources.ts";

/** A place in a file, with the name of what stands there. */
export interface Place {
  readonly name: string;
  readonly line: number;
}

/** What the rules want to know of a file. */
export interface Syntax {
  /** Imported files by path from the root, everything else as written (`node:path`, `yaml`). */
  readonly imports: readonly Place[];
  /** Uses of a member of something global, e.g. `Deno.open`, `Math.random`. */
  readonly members: readonly Place[];
  /** Uses of a plain name, e.g. `setTimeout`. */
  readonly calls: readonly Place[];
  readonly functions: readonly (Place & { readonly lines: number })[];
  /** Exported declarations, and whether a docstring stands above each, or above its group. */
  readonly exports:
    readonly (Place & { readonly lastLine: number; readonly documented: boolean })[];
  /** Things that no file may contain, by a word for each. */
  readonly banned: readonly Place[];
}

type Writable = { -readonly [Key in keyof Syntax]: Syntax[Key][number][] };
type Declared = Deno.lint.ExportNamedDeclaration["declaration"];

/** Parses a file and collects what the rules ask for. */
export function syntaxOf(source: Source): Syntax {
  const found: Writable = {
    imports: [],
    members: [],
    calls: [],
    functions: [],
    exports: [],
    banned: [],
  };
  const visitor = visitorOf(source, found);
  const plugin = { name: "tidy", rules: { read: { create: () => visitor } } };
  Deno.lint.runPlugin(plugin, source.path, source.text);
  return found;
}

function visitorOf(source: Source, found: Writable): Deno.lint.LintVisitor {
  const lineOf = lineFinder(source.text);
  const at = (node: { readonly range: Deno.lint.Range }, name: string): Place => ({
    name,
    line: lineOf(node.range[0]),
  });
  const addImport = (node: Deno.lint.Node & { readonly source: unknown }) => {
    const specifier = literalOf(node.source);
    if (specifier !== undefined) found.imports.push(at(node, resolved(source.path, specifier)));
  };
  const addFunction = (node: Deno.lint.Node, name: string) => {
    const lines = lineOf(node.range[1] - 1) - lineOf(node.range[0]) + 1;
    found.functions.push({ ...at(node, name), lines });
  };
  return {
    ImportDeclaration: addImport,
    ExportAllDeclaration: addImport,
    ImportExpression: addImport,
    ExportNamedDeclaration(node) {
      addImport(node);
      const name = nameOf(node.declaration);
      if (name === undefined) return;
      const place = at(node, name);
      const before = found.exports.at(-1);
      const grouped = before?.lastLine === place.line - 1 && before.documented;
      const documented = grouped || source.text.slice(0, node.range[0]).trimEnd().endsWith("*/");
      found.exports.push({ ...place, lastLine: lineOf(node.range[1] - 1), documented });
    },
    ExportDefaultDeclaration: (node) => void found.banned.push(at(node, "a default export")),
    TSAnyKeyword: (node) => void found.banned.push(at(node, "any")),
    TSAsExpression(node) {
      if (node.expression.type !== "TSAsExpression") return;
      if (node.expression.typeAnnotation.type !== "TSUnknownKeyword") return;
      found.banned.push(at(node, "as unknown as"));
    },
    MemberExpression(node) {
      if (node.object.type !== "Identifier" || node.property.type !== "Identifier") return;
      found.members.push(at(node, `${node.object.name}.${node.property.name}`));
    },
    CallExpression(node) {
      if (node.callee.type === "Identifier") found.calls.push(at(node, node.callee.name));
    },
    FunctionDeclaration: (node) => addFunction(node, node.id?.name ?? "function"),
    FunctionExpression: (node) => addFunction(node, "function"),
    ArrowFunctionExpression: (node) => addFunction(node, "function"),
  };
}

/** A function from an offset to the number of its line, from 1. */
function lineFinder(text: string): (offset: number) => number {
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return (offset) => {
    let [low, high] = [0, starts.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (starts[middle]! <= offset) low = middle;
      else high = middle;
    }
    return low + 1;
  };
}

function literalOf(node: unknown): string | undefined {
  if (typeof node !== "object" || node === null || !("value" in node)) return undefined;
  return typeof node.value === "string" ? node.value : undefined;
}

function resolved(path: string, specifier: string): string {
  return specifier.startsWith(".") ? join(dirname(path), specifier) : specifier;
}

function nameOf(declaration: Declared): string | undefined {
  if (declaration === null) return undefined;
  if (declaration.type !== "VariableDeclaration") {
    return "id" in declaration && declaration.id?.type === "Identifier"
      ? declaration.id.name
      : undefined;
  }
  const id = declaration.declarations[0]?.id;
  return id?.type === "Identifier" ? id.name : undefined;
}
