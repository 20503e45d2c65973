import type { Source } from "./sources.ts";
import type { Syntax } from "./syntax.ts";

const FILE_LINES_MAX = 400;
const FUNCTION_LINES_MAX = 70;
const LINE_CHARACTERS_MAX = 100;

/** Words that say nothing about what a file or a name is for. */
const EMPTY_WORDS = ["util", "utils", "helper", "helpers", "manager", "misc", "common"];

/** Everything in `source` that is too long, as `path:line: what`. */
export function lengthFaults(source: Source, syntax: Syntax): string[] {
  const { path, lines } = source;
  const faults: string[] = [];
  if (lines.length > FILE_LINES_MAX) {
    faults.push(`${path}:1: ${lines.length} lines; the most is ${FILE_LINES_MAX}`);
  }
  lines.forEach((line, index) => {
    const length = [...line].length;
    if (length <= LINE_CHARACTERS_MAX) return;
    faults.push(`${path}:${index + 1}: ${length} characters; the most is ${LINE_CHARACTERS_MAX}`);
  });
  for (const { name, line, lines } of syntax.functions) {
    if (lines <= FUNCTION_LINES_MAX) continue;
    faults.push(`${path}:${line}: ${name} has ${lines} lines; the most is ${FUNCTION_LINES_MAX}`);
  }
  return faults;
}

/** Names of files and of exported things that are empty words, as `path:line: what`. */
export function nameFaults(source: Source, syntax: Syntax): string[] {
  const file = { name: source.path.replace(/\.ts$/, ""), line: 1 };
  return [file, ...syntax.exports].flatMap(({ name, line }) => {
    const words = name.split(/[/_.-]|(?<=[a-z0-9])(?=[A-Z])/).map((word) => word.toLowerCase());
    const empty = words.filter((word) => EMPTY_WORDS.includes(word));
    return empty.map((word) => `${source.path}:${line}: '${word}' in ${name} says nothing`);
  });
}

/** Types and exports that no file may have, as `path:line: what`. */
export function bannedFaults(source: Source, syntax: Syntax): string[] {
  return syntax.banned.map(({ name, line }) => `${source.path}:${line}: ${name}`);
}

/** Exported declarations without a docstring, as `path:line: what`. */
export function docFaults(source: Source, syntax: Syntax): string[] {
  if (source.isTest) return [];
  return syntax.exports.filter(({ documented }) => !documented)
    .map(({ name, line }) => `${source.path}:${line}: ${name} has no docstring`);
}
