import { InvalidArgumentError } from "commander";

/** A parser for an option that takes a whole number of at least `least`. */
export function wholeNumber(least = 0): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : NaN;
    if (Number.isSafeInteger(value) && value >= least) return value;
    throw new InvalidArgumentError(`Expected a whole number of at least ${least}.`);
  };
}

/** Parses a number of clusters, or the nodes of each as in `0,1,2;3,4`, which stay text. */
export function clusters(text: string): number | string {
  if (/^\d+([,;]\d+)+$/.test(text)) return text;
  if (/^[1-9]\d*$/.test(text)) return Number(text);
  throw new InvalidArgumentError("Expected a number, or node ids as in 0,1,2;3,4.");
}

/** Parses a time in seconds, more than zero. */
export function seconds(text: string): number {
  const value = text.trim() === "" ? NaN : Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw new InvalidArgumentError("Expected a number of seconds above 0.");
}

/** Parses a number above zero. */
export function positiveNumber(text: string): number {
  const value = text.trim() === "" ? NaN : Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw new InvalidArgumentError("Expected a number above 0.");
}

/** Collects sizes of named dimensions, as in `sequence=64`. */
export function dimensionSizes(
  text: string,
  previous: ReadonlyMap<string, number> | undefined,
): ReadonlyMap<string, number> {
  const [, name, size] = /^([^=]+)=([1-9]\d*)$/.exec(text) ?? [];
  if (name === undefined) throw new InvalidArgumentError("Expected dimension=n, as sequence=64.");
  return new Map([...previous ?? [], [name, Number(size)]]);
}

/** `key=value`, split at the first `=`. */
export type Assignment = readonly [key: string, value: string];

/** Collects `key=value` options in the order they were given. */
export function assignment(text: string, previous: readonly Assignment[]): readonly Assignment[] {
  const at = text.indexOf("=");
  if (at < 1) throw new InvalidArgumentError("Expected key=value, as in optimizer.lr=0.01.");
  return [...previous, [text.slice(0, at), text.slice(at + 1)]];
}

/** The assignments of `--set`, and that of `--barrier` where it is given. */
export function withBarrier(
  set: readonly Assignment[],
  barrier: true | undefined,
): readonly Assignment[] {
  return barrier ? [...set, ["reduce_delay", "0"]] : set;
}

/** A file, or a file for each input of a model by the input's name. */
export type InputFiles = string | Readonly<Record<string, string>>;

/**
 * Collects `--data`: one file, or `input=file` once for each input of the model. Text before the
 * first `=` is an input's name unless it holds a path separator.
 */
export function inputFiles(text: string, previous: InputFiles | undefined): InputFiles {
  const [, name, file] = /^([^=/\\]+)=(.+)$/.exec(text) ?? [];
  if (previous === undefined) return name && file ? { [name]: file } : text;
  if (typeof previous === "string" || !name || !file) {
    throw new InvalidArgumentError("A model with several inputs takes input=file for each.");
  }
  return { ...previous, [name]: file };
}
