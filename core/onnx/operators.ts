/**
 * Which operators exist, since which opset, and with how many inputs and outputs.
 *
 * ONNX Runtime checks this too, but ends the process on some malformed contrib nodes instead of
 * reporting them, so every node is held against this table first.
 *
 * Notation: `[since] inputs>outputs [attributes]`, versions separated by `|`. A letter stands for
 * an input or output: `r` required, `o` optional (may be `""`), `e` listed but may be `""`, `*` any
 * number more, `-` none. The names after it are attributes without a default. `removed` ends an
 * operator. Without a number a version holds from the oldest opset on.
 */
import { MICROSOFT_OPERATORS, NCHWC_OPERATORS } from "./operators_microsoft.ts";
import { ONNX_OPERATORS } from "./operators_onnx.ts";

/** Opsets of the default domain that ravn reads, both ends included. */
export const OPSETS = { oldest: 7, newest: 26 } as const;

/** How many inputs or outputs an operator takes. */
export interface Arity {
  /** Number that must be listed. */
  readonly min: number;
  /** `Infinity` for variadic operators. */
  readonly max: number;
  /** Positions below `min` that may not be the empty string. */
  readonly required: readonly number[];
}

/** The form of an operator at one opset. */
export interface Signature {
  readonly since: number;
  readonly inputs: Arity;
  readonly outputs: Arity;
  /** Attributes that have no default. */
  readonly attributes: readonly string[];
}

const DOMAINS: ReadonlyMap<string, Readonly<Record<string, string>>> = new Map([
  ["", ONNX_OPERATORS],
  ["com.microsoft", MICROSOFT_OPERATORS],
  ["com.microsoft.nchwc", NCHWC_OPERATORS],
]);

interface Version {
  readonly since: number;
  readonly signature: Signature | undefined;
}

const parsed = new Map<string, readonly Version[]>();

/** True where ravn knows the operators of a domain; `""` is ONNX's default one. */
export function isKnownDomain(domain: string): boolean {
  return DOMAINS.has(domain);
}

/** The domains whose operators are known. */
export function knownDomains(): string[] {
  return [...DOMAINS.keys()];
}

/**
 * The form of `op` at version `opset` of its domain; undefined where it does not exist at that
 * version (see `firstOpset`).
 */
export function signatureOf(domain: string, op: string, opset: number): Signature | undefined {
  return versionsOf(domain, op)?.findLast(({ since }) => since <= opset)?.signature;
}

/** The version of the domain that introduced `op`, or undefined for an operator nobody knows. */
export function firstOpset(domain: string, op: string): number | undefined {
  return versionsOf(domain, op)?.[0]?.since;
}

/**
 * The names without the omitted optional ones at the end. To list them says the same, but some
 * kernels of ONNX Runtime end the process over it.
 */
export function withoutOmittedEnd(names: readonly string[], min: number): readonly string[] {
  const end = Math.max(min, names.findLastIndex((name) => name !== "") + 1);
  return end >= names.length ? names : names.slice(0, end);
}

function versionsOf(domain: string, op: string): readonly Version[] | undefined {
  const table = DOMAINS.get(domain);
  if (table === undefined || !Object.hasOwn(table, op)) return undefined;
  const key = `${domain}:${op}`;
  let versions = parsed.get(key);
  if (versions === undefined) {
    versions = table[op]!.split(" | ").map(parseVersion);
    parsed.set(key, versions);
  }
  return versions;
}

function parseVersion(text: string): Version {
  const words = text.split(" ");
  const since = /^\d/.test(words[0]!) ? Number(words.shift()) : 1;
  const [form, ...attributes] = words;
  if (form === "removed") return { since, signature: undefined };
  const [inputs, outputs] = form!.split(">");
  return {
    since,
    signature: { since, inputs: parseArity(inputs!), outputs: parseArity(outputs!), attributes },
  };
}

function parseArity(pattern: string): Arity {
  const letters = pattern === "-" ? "" : pattern;
  const variadic = letters.endsWith("*");
  const required = [...letters].flatMap((letter, i) => letter === "r" ? [i] : []);
  return {
    min: Math.max(letters.lastIndexOf("r"), letters.lastIndexOf("e")) + 1,
    max: variadic ? Infinity : letters.length,
    required,
  };
}
