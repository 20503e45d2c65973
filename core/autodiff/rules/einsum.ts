import { elementCount, type Extent, sameExtent, stringOf, tensor } from "../../onnx/mod.ts";
import type { Call } from "../call.ts";
import { productOf } from "../extent.ts";
import { rule, type RuleEntry } from "../rule.ts";
import {
  type Equation,
  matrixProduct,
  readEquation,
  type Term,
  writeEquation,
} from "./einsum_equation.ts";

/** A value whose dimensions have letters and sizes. */
interface Operand extends Term {
  readonly dims: readonly Extent[];
}

/** True where a letter has one size in both, so that none is stretched. */
function agree(a: Operand, b: Operand): boolean {
  return a.labels.every((letter, i) => {
    const j = b.labels.indexOf(letter);
    return j < 0 || sameExtent(a.dims[i]!, b.dims[j]!);
  });
}

/** Σ a b in the dimensions `output`, as one product of matrices; undefined where it is none. */
function asProduct(
  call: Call,
  a: Operand,
  b: Operand,
  output: readonly string[],
): string | undefined {
  const { emit, type: dtype } = call;
  const product = matrixProduct(a.labels, b.labels, output);
  if (product === undefined || !agree(a, b)) return undefined;
  const { swapped, transA, transB, flattened } = product;
  const rows = productOf(a.dims.slice(0, flattened));
  if (rows === undefined) return undefined;
  const flat = ({ name, dims }: Operand) =>
    flattened < 2 ? { name, dims } : {
      name: emit.reshape(name, [rows, ...dims.slice(flattened)]),
      dims: [rows, ...dims.slice(flattened)],
    };
  const [left, right] = swapped ? [flat(b), flat(a)] : [flat(a), flat(b)];
  const o = { dtype, rankA: left.dims.length, rankB: right.dims.length, transA, transB };
  return emit.matMul(left.name, right.name, o);
}

/** The product of all terms, summed over the letters that are not in `output`. */
function summed(call: Call, terms: readonly Operand[], output: readonly string[]): string {
  const [a, b] = terms;
  if (terms.length === 2) {
    const product = asProduct(call, a!, b!, output);
    if (product !== undefined) return product;
  }
  const equation = writeEquation(terms.map(({ labels }) => labels), output);
  const names = terms.map(({ name }) => name);
  const attributes = { equation };
  return call.emit.node("Einsum", names, attributes);
}

/** 1 where the dimensions `first` and `second` have the same index, 0 elsewhere. */
function diagonal(
  call: Call,
  dims: readonly Extent[],
  first: number,
  second: number,
): string {
  const size = dims[first]!;
  if (typeof size !== "number") return call.refuse("it takes a diagonal that follows the batch");
  const shape = dims.map((_, axis) => axis === first || axis === second ? size : 1);
  const ones = Array.from({ length: elementCount(shape) }, (_, i) => i % (size + 1) === 0 ? 1 : 0);
  return call.emit.constant(tensor(call.type, shape, ones), "diagonal");
}

/**
 * Brings a gradient with the letters `labels` to the shape of operand `i`: letters that only this
 * operand had were summed over, so it spreads along them; a repeated letter took a diagonal, and
 * zeros lie beside it.
 */
function inShapeOf(call: Call, gradient: string, labels: readonly string[], operand: Operand) {
  const { emit } = call;
  const { dims } = operand;
  const missing: number[] = [];
  let value = gradient;
  const masks: string[] = [];
  operand.labels.forEach((letter, axis) => {
    const first = operand.labels.indexOf(letter);
    if (first !== axis || !labels.includes(letter)) missing.push(axis);
    if (first !== axis) masks.push(diagonal(call, dims, first, axis));
  });
  value = emit.unsqueeze(value, missing);
  for (const mask of masks) value = emit.mul(value, mask);
  const spread = operand.labels.some((letter, axis) =>
    !labels.includes(letter) && operand.labels.indexOf(letter) === axis && dims[axis] !== 1
  );
  return spread ? emit.expand(value, call.shapeOf(operand.name)) : value;
}

/** Gradient of operand `i`: the product of dy and the other operands, summed to its letters. */
function gradientOf(call: Call, { inputs, output }: Equation, i: number): string {
  const operands = inputs.map((labels, j): Operand => {
    const name = call.input(j);
    return { name, labels, dims: call.dims(name) };
  });
  const own = operands[i]!;
  const others = operands.filter((_, j) => j !== i);
  const terms = [{ name: call.dy, labels: output, dims: call.dims(call.output()) }, ...others];
  const present = new Set(terms.flatMap(({ labels }) => labels));
  // A dimension of 1 was stretched: the sum goes over it.
  const kept = own.labels.filter((letter, axis) =>
    own.labels.indexOf(letter) === axis && present.has(letter) && own.dims[axis] !== 1
  );
  return inShapeOf(call, summed(call, terms, kept), kept, own);
}

/**
 * y = the product of the operands, summed over letters: the gradient of an operand is the product
 * of dy and the other operands, summed to the letters of that operand.
 */
export const einsum: RuleEntry = [
  rule((call) => {
    const { node } = call;
    const ranks = node.inputs.map((input) => call.dims(input).length);
    const equation = readEquation(stringOf(node, "equation", ""), ranks);
    return node.inputs.map((_, i) => () => gradientOf(call, equation, i));
  }, { since: 12 }),
];
