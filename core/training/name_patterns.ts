import { RavnError } from "../error.ts";
import { nearest } from "../planning/mod.ts";

/** Names of parameters that an error message lists at most. */
const LISTED_MAX = 3;

/**
 * Whether a glob pattern matches a whole name: `*` stands for any text, dots and slashes too, `?`
 * for one character, everything else for itself.
 */
export function matches(pattern: string, name: string): boolean {
  // The place to go back to: one more character is given to the last `*`.
  let star = -1;
  let resume = 0;
  let p = 0;
  let n = 0;
  while (n < name.length) {
    if (pattern[p] === "*") {
      star = p++;
      resume = n;
    } else if (p < pattern.length && (pattern[p] === "?" || pattern[p] === name[n])) {
      p += 1;
      n += 1;
    } else if (star >= 0) {
      p = star + 1;
      n = ++resume;
    } else {
      return false;
    }
  }
  while (pattern[p] === "*") p += 1;
  return p === pattern.length;
}

/** Whether one of the patterns matches a name. */
export function matchesAny(patterns: readonly string[], name: string): boolean {
  return patterns.some((pattern) => matches(pattern, name));
}

/**
 * Checks that every pattern matches a parameter.
 *
 * @param key where the patterns stand, e.g. `freeze`
 * @param names of all parameters of the model, at least one
 * @throws {RavnError} naming the key, the pattern and the nearest names
 */
export function checkPatterns(
  key: string,
  patterns: readonly string[],
  names: readonly string[],
): void {
  for (const pattern of patterns) {
    if (names.some((name) => matches(pattern, name))) continue;
    const near = nearestNames(pattern, names).map((name) => `"${name}"`);
    throw new RavnError(
      `${key}: no parameter of the model matches "${pattern}"; the nearest are ${near.join(", ")}`,
    );
  }
}

/** Some names whose beginnings are most like that of a pattern, or their ends like its end. */
function nearestNames(pattern: string, names: readonly string[]): string[] {
  const stem = pattern.split("*", 1)[0]!;
  const tail = pattern.slice(pattern.lastIndexOf("*") + 1);
  const partOf = (name: string) => {
    if (!pattern.includes("*")) return name;
    return stem === "" ? name.slice(-tail.length) : name.slice(0, stem.length);
  };
  let rest = names;
  const near: string[] = [];
  while (rest.length > 0 && near.length < LISTED_MAX) {
    const part = nearest(stem === "" ? tail : stem, rest.map(partOf));
    const name = rest.find((name) => partOf(name) === part)!;
    near.push(name);
    rest = rest.filter((other) => other !== name);
  }
  return near;
}
