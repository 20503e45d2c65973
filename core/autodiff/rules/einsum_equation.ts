/** An equation of Einsum with a letter for every dimension, those behind ellipses too. */
export interface Equation {
  readonly inputs: readonly (readonly string[])[];
  readonly output: readonly string[];
}

/** A value whose dimensions have letters. */
export interface Term {
  readonly name: string;
  readonly labels: readonly string[];
}

const LETTERS = [..."abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"];

const ELLIPSIS = "...";

/** Letters of one side of an equation; `hidden` are those behind an ellipsis, the last `rank`. */
function labelsOf(term: string, hidden: readonly string[], rank: number): string[] {
  const at = term.indexOf(ELLIPSIS);
  if (at < 0) return [...term];
  return [...term.slice(0, at), ...hidden.slice(hidden.length - rank), ...term.slice(at + 3)];
}

/**
 * Reads an equation such as `"bij,bjk->bik"` or `"...i,...j"` for operands of the given ranks.
 * Without an arrow the result has the dimensions behind ellipses and then, in alphabetical order,
 * the letters that appear once.
 */
export function readEquation(text: string, ranks: readonly number[]): Equation {
  const [left, right] = text.replaceAll(" ", "").split("->") as [string, string | undefined];
  const terms = left.split(",");
  const behind = terms.map((term, i) =>
    term.includes(ELLIPSIS) ? ranks[i]! - term.replace(ELLIPSIS, "").length : 0
  );
  const free = LETTERS.filter((letter) => !text.includes(letter));
  const hidden = free.slice(0, Math.max(0, ...behind));
  const inputs = terms.map((term, i) => labelsOf(term, hidden, behind[i]!));
  if (right !== undefined) return { inputs, output: labelsOf(right, hidden, hidden.length) };
  const written = terms.join("").replaceAll(".", "");
  const once = [...new Set(written)].filter((letter) =>
    written.indexOf(letter) === written.lastIndexOf(letter)
  );
  // Code points, as the specification has it: capitals come first.
  return { inputs, output: [...hidden, ...once.sort()] };
}

/** The text of an equation, each dimension by its letter. */
export function writeEquation(
  terms: readonly (readonly string[])[],
  output: readonly string[],
): string {
  return `${terms.map((labels) => labels.join("")).join(",")}->${output.join("")}`;
}

/** A product of two matrices, or of stacks of them, that an equation amounts to. */
export interface MatrixProduct {
  /** The second factor comes first. */
  readonly swapped: boolean;
  readonly transA: boolean;
  readonly transB: boolean;
  /** Leading dimensions of both factors that are made one, since the sum goes over them. */
  readonly flattened: number;
}

function same(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((letter, i) => letter === b[i]);
}

/** Σ over all but the last dimension of both: [rows, i] and [rows, j] to [i, j]. */
function overRows(
  a: readonly string[],
  b: readonly string[],
  output: readonly string[],
): MatrixProduct | undefined {
  const rows = a.length - 1;
  if (rows < 1 || output.length !== 2 || !same(a.slice(0, -1), b.slice(0, -1))) return undefined;
  const [i, j] = [a.at(-1)!, b.at(-1)!];
  if (i === j || a.slice(0, -1).some((letter) => output.includes(letter))) return undefined;
  const swapped = output[0] === j;
  if (!same(output, swapped ? [j, i] : [i, j])) return undefined;
  return { swapped, transA: true, transB: false, flattened: rows };
}

/** [stack, i, k] and [stack, k, j] to [stack, i, j]; the stack of either factor may be missing. */
function overStacks(
  a: readonly string[],
  b: readonly string[],
  output: readonly string[],
): MatrixProduct | undefined {
  if (a.length < 2 || b.length < 2 || output.length < 2) return undefined;
  const stack = output.slice(0, -2);
  const fits = (labels: readonly string[]) =>
    labels.length === 2 || same(labels.slice(0, -2), stack);
  if (!fits(a) || !fits(b) || (a.length === 2 && b.length === 2 && stack.length > 0)) {
    return undefined;
  }
  const [i, j] = output.slice(-2) as [string, string];
  for (const swapped of [false, true]) {
    const [left, right] = swapped ? [b, a] : [a, b];
    const inner = left.slice(-2).find((letter) => letter !== i);
    if (inner === undefined || output.includes(inner)) continue;
    const [rows, columns] = [left.slice(-2), right.slice(-2)];
    const transA = same(rows, [inner, i]);
    const transB = same(columns, [j, inner]);
    if (!transA && !same(rows, [i, inner])) continue;
    if (!transB && !same(columns, [inner, j])) continue;
    return { swapped, transA, transB, flattened: 0 };
  }
  return undefined;
}

/** The matrix product that Σ a b is, if it is one and no dimension is stretched. */
export function matrixProduct(
  a: readonly string[],
  b: readonly string[],
  output: readonly string[],
): MatrixProduct | undefined {
  const repeated = [a, b].some((labels) => new Set(labels).size < labels.length);
  return repeated ? undefined : overRows(a, b, output) ?? overStacks(a, b, output);
}
