/** An object of a JSON file whose keys are not checked yet. */
export type JsonObject = { readonly [key: string]: unknown };

/** True for an object that is neither null nor a list. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
