import type { z } from "zod";
import { RavnError } from "../error.ts";
import { nearest } from "../planning/mod.ts";
import type { ConfigDocument, KeyPath } from "./config_document.ts";
import { AN_INTEGER } from "./config_training.ts";

type Issue = z.core.$ZodIssue;
type JsonSchema = z.core.JSONSchema.BaseSchema;

/** One fault of a configuration: the key and what is wrong with it. */
interface Fault {
  readonly path: KeyPath;
  readonly text: string;
  readonly unknownKey?: true;
}

/**
 * The first fault of a configuration as an error: `file:line: key: expected …, got …`.
 *
 * @param schema JSON Schema of the configuration, which knows the keys that are allowed where.
 */
export function configError(
  issues: readonly Issue[],
  document: ConfigDocument,
  schema: JsonSchema,
): RavnError {
  // A misspelt key is told before the key that it leaves missing.
  const faults = issues.flatMap((issue) => faultsOf(issue, [], document, schema))
    .toSorted((a, b) => Number(b.unknownKey ?? false) - Number(a.unknownKey ?? false));
  const [{ path, text }] = faults as [Fault, ...Fault[]];
  const rest = faults.length > 1 ? ` (and ${faults.length - 1} more)` : "";
  return new RavnError(`${document.where(path)}: ${text}${rest}`);
}

function faultsOf(
  issue: Issue,
  base: KeyPath,
  document: ConfigDocument,
  schema: JsonSchema,
): Fault[] {
  const path = [...base, ...issue.path];
  const name = path.join(".");
  const value = document.valueAt(path);
  if (issue.code === "unrecognized_keys") {
    const known = knownKeys(schema, document, path);
    return issue.keys.map((key) => unknownKey([...path, key], known));
  }
  if (issue.code === "invalid_union" && issue.errors.length > 0) {
    const branch = likelyBranch(issue.errors, path, document);
    if (branch !== undefined) {
      return branch.flatMap((inner) => faultsOf(inner, path, document, schema));
    }
  }
  if (value === undefined) {
    return [{ path, text: `missing key "${name}"; expected ${expectedBy(issue)}` }];
  }
  if (issue.code === "custom") return [{ path, text: `${name}: ${issue.message}` }];
  const text = `${name}: expected ${expectedBy(issue)}, got ${shown(value)}`;
  return [{ path, text: text + suggestion(issue, value) }];
}

/** The alternative of a union that the writer had in mind: the one whose kind of value it is. */
function likelyBranch(
  branches: readonly (readonly Issue[])[],
  path: KeyPath,
  document: ConfigDocument,
): readonly Issue[] | undefined {
  const missing = (issues: readonly Issue[]) =>
    issues.filter((issue) => document.valueAt([...path, ...issue.path]) === undefined).length;
  return branches
    .filter((issues) => issues.every((issue) => issue.path.length > 0 || isInside(issue)))
    .toSorted((a, b) => missing(a) - missing(b) || a.length - b.length)[0];
}

/** Whether an issue without a path of its own is about the parts of a value, not about its kind. */
function isInside(issue: Issue): boolean {
  return issue.code === "unrecognized_keys" || issue.code === "too_small" ||
    issue.code === "too_big";
}

function unknownKey(path: KeyPath, known: readonly string[]): Fault {
  const name = path.join(".");
  const last = String(path.at(-1));
  if (known.length === 0) return { path, text: `unknown key "${name}"`, unknownKey: true };
  const meant = [...path.slice(0, -1), nearest(last, known)].join(".");
  return { path, text: `unknown key "${name}"; did you mean "${meant}"?`, unknownKey: true };
}

/** Keys that the map at `path` may have, by the type it names where there are several. */
function knownKeys(schema: JsonSchema, document: ConfigDocument, path: KeyPath): string[] {
  let found = alternatives(schema, document.data);
  path.forEach((name, i) => {
    const value = document.valueAt(path.slice(0, i + 1));
    found = found.flatMap((part) => {
      const inner = typeof name === "number" ? part.items : part.properties?.[String(name)];
      return typeof inner === "object" && !Array.isArray(inner) ? alternatives(inner, value) : [];
    });
  });
  return [...new Set(found.flatMap((part) => Object.keys(part.properties ?? {})))];
}

function alternatives(schema: JsonSchema, value: unknown): JsonSchema[] {
  const parts = [...(schema.anyOf ?? []), ...(schema.oneOf ?? [])];
  if (parts.length === 0) return [schema];
  const type = (value as { type?: unknown } | undefined)?.type;
  const found = parts.flatMap((part) => typeof part === "object" ? alternatives(part, value) : []);
  const named = found.filter(({ properties }) => {
    const tag = properties?.["type"];
    return typeof tag === "object" && tag.const !== undefined && tag.const === type;
  });
  return named.length > 0 ? named : found;
}

const KINDS: Readonly<Record<string, string>> = {
  string: "text",
  number: "a number",
  boolean: "true or false",
  object: "a map of keys",
  record: "a map of keys",
  tuple: "a list",
  array: "a list",
};

/** What an issue says was expected. */
function expectedBy(issue: Issue): string {
  switch (issue.code) {
    case "invalid_type":
      if (issue.message === AN_INTEGER) return AN_INTEGER;
      return KINDS[issue.expected] ?? issue.expected;
    case "invalid_value":
      return listed(issue.values.map(String));
    case "too_small":
      if (issue.origin === "string") return "text that is not empty";
      if (issue.origin === "array") return `${issue.minimum} values`;
      return `${issue.inclusive === true ? "at least" : "more than"} ${issue.minimum}`;
    case "too_big":
      if (issue.origin === "array") return `${issue.maximum} values`;
      return `${issue.inclusive === true ? "at most" : "less than"} ${issue.maximum}`;
    case "invalid_union":
      return listed([
        ...optionsOf(issue),
        ...issue.errors.flatMap((errors) => errors.slice(0, 1).map(expectedBy)),
      ]);
    default:
      return issue.message;
  }
}

/** `a`, `a or b`, `a, b or c`, each once. */
function listed(values: readonly string[]): string {
  const unique = [...new Set(values)];
  if (unique.length < 2) return unique.join("");
  return `${unique.slice(0, -1).join(", ")} or ${unique.at(-1)}`;
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

/** The words of which one was expected. */
function optionsOf(issue: Issue): string[] {
  if (issue.code === "invalid_value") return issue.values.map(String);
  // A discriminated union lists the values of its `type`.
  if (issue.code !== "invalid_union" || !("options" in issue)) return [];
  return Array.isArray(issue.options) ? issue.options.map(String) : [];
}

/** A near word, where one of several was expected and a text came. */
function suggestion(issue: Issue, value: unknown): string {
  const options = optionsOf(issue);
  if (typeof value !== "string" || options.length < 2) return "";
  return `; did you mean "${nearest(value, options)}"?`;
}
