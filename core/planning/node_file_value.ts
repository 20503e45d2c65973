import { RavnError } from "../error.ts";
import { nearest } from "./nearest.ts";

/** True for a value that JSON writes in braces. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A wrong value as the user wrote it, shortened. */
export function shown(value: unknown): string {
  if (value === undefined) return "nothing";
  const text = JSON.stringify(value);
  return text.length > 40 ? `${text.slice(0, 37)}...` : text;
}

/**
 * @param where file, node and the key that holds the object, for the message
 * @throws {RavnError} for the first key that is not known, with the one most like it
 */
export function checkKeys(
  object: Record<string, unknown>,
  known: readonly string[],
  where: string,
): void {
  for (const key of Object.keys(object)) {
    if (known.includes(key)) continue;
    throw new RavnError(
      `${where}: unknown key "${key}": did you mean "${nearest(key, known)}"? ` +
        `(known: ${known.join(", ")})`,
    );
  }
}
