import { type Extent, floatOf, intOf } from "../../onnx/mod.ts";
import { broadcastDims } from "../broadcast.ts";
import type { Call } from "../call.ts";
import { rule, type RuleEntry } from "../rule.ts";

/** y = alpha op(a) op(b), where op may transpose the matrices of a stack. */
interface Product {
  readonly transA: boolean;
  readonly transB: boolean;
  readonly alpha: number;
}

/** A factor as a stack of matrices: a vector is a row on the left and a column on the right. */
interface Factor {
  readonly name: string;
  readonly dims: readonly Extent[];
}

function factorOf(call: Call, i: number): Factor {
  const name = call.input(i);
  const dims = call.dims(name);
  if (dims.length !== 1) return { name, dims };
  const matrix = i === 0 ? [1, dims[0]!] : [dims[0]!, 1];
  return { name: call.emit.reshape(name, matrix), dims: matrix };
}

/** dy as a stack of matrices: the axes that vectors lost are put back. */
function outputFactor(call: Call): Factor {
  const vectors = [call.dims(call.input(0)).length === 1, call.dims(call.input(1)).length === 1];
  const dims = [...call.dims(call.output())];
  if (!vectors[0] && !vectors[1]) return { name: call.dy, dims };
  if (vectors[1]) dims.push(1);
  if (vectors[0]) dims.splice(dims.length - 1, 0, 1);
  return { name: call.emit.reshape(call.dy, dims, undefined), dims };
}

function multiply(
  call: Call,
  a: Factor,
  b: Factor,
  { transA, transB, alpha }: Product,
): Factor {
  const o = {
    dtype: call.type,
    rankA: a.dims.length,
    rankB: b.dims.length,
    transA,
    transB,
  };
  const rows = a.dims.at(transA ? -1 : -2)!;
  const columns = b.dims.at(transB ? -2 : -1)!;
  const stack = broadcastDims(a.dims.slice(0, -2), b.dims.slice(0, -2));
  return { name: call.emit.matMul(a.name, b.name, o, alpha), dims: [...stack, rows, columns] };
}

/** The gradient summed over stretched stack dimensions, in the shape of input `i`. */
function toInput(call: Call, gradient: Factor, i: number): string {
  const dims = call.dims(call.input(i));
  if (dims.length !== 1) return call.unbroadcast(gradient.name, gradient.dims, i);
  const axis = i === 0 ? gradient.dims.length - 2 : gradient.dims.length - 1;
  const lead = gradient.dims.flatMap((_, j) => j < gradient.dims.length - 2 ? [j] : []);
  return call.emit.reshape(call.emit.reduceSum(gradient.name, [...lead, axis], false), dims);
}

/** A stack of matrices as one tall matrix; of two dimensions already, it stays as it is. */
function tall(call: Call, { name, dims }: Factor): Factor {
  if (dims.length === 2) return { name, dims };
  const columns = dims.at(-1)!;
  if (typeof columns !== "number") call.refuse("its inner dimension follows the batch");
  const rows = { perSample: 1 };
  return { name: call.emit.reshape(name, [rows, columns]), dims: [rows, columns] };
}

/** dA: dy Bᵀ, in the four cases of transposed factors. */
function left(call: Call, { transA, transB, alpha }: Product): string {
  const [b, dy] = [factorOf(call, 1), outputFactor(call)];
  const gradient = transA
    ? multiply(call, b, dy, { transA: transB, transB: true, alpha })
    : multiply(call, dy, b, { transA: false, transB: !transB, alpha });
  return toInput(call, gradient, 0);
}

/**
 * dB: Aᵀ dy, in the four cases. A weight matrix that a whole stack was multiplied with gets its
 * gradient as one product over all rows, instead of a stack that is summed afterwards.
 */
function right(call: Call, { transA, transB, alpha }: Product): string {
  const [a, b, dy] = [factorOf(call, 0), factorOf(call, 1), outputFactor(call)];
  const flat = b.dims.length === 2 && a.dims.length > 2 && !transA;
  const [x, g] = flat ? [tall(call, a), tall(call, dy)] : [a, dy];
  const gradient = transB
    ? multiply(call, g, x, { transA: true, transB: transA, alpha })
    : multiply(call, x, g, { transA: !transA, transB: false, alpha });
  return toInput(call, gradient, 1);
}

/** y = A B over the last two dimensions; leading ones broadcast. */
export const matMul: RuleEntry = [
  rule((call) => {
    const product = { transA: false, transB: false, alpha: 1 };
    return [() => left(call, product), () => right(call, product)];
  }),
];

/** ONNX Runtime's product with optional transposition and a factor. */
export const fusedMatMul: RuleEntry = [
  rule((call) => {
    const { node } = call;
    if (intOf(node, "transBatchA", 0) + intOf(node, "transBatchB", 0) > 0) {
      call.refuse("transposed stacks (transBatchA, transBatchB)");
    }
    const product = {
      transA: intOf(node, "transA", 0) === 1,
      transB: intOf(node, "transB", 0) === 1,
      alpha: floatOf(node, "alpha", 1),
    };
    return [() => left(call, product), () => right(call, product)];
  }),
];

/** y = alpha op(A) op(B) + beta C of matrices; C broadcasts to y: dC = beta dy. */
export const gemm: RuleEntry = [
  rule((call) => {
    const { node, emit, dy, type } = call;
    const product = {
      transA: intOf(node, "transA", 0) === 1,
      transB: intOf(node, "transB", 0) === 1,
      alpha: floatOf(node, "alpha", 1),
    };
    const bias = () => {
      const summed = call.unbroadcast(dy, call.dims(call.output()), 2);
      return emit.scale(summed, type, floatOf(node, "beta", 1));
    };
    return [() => left(call, product), () => right(call, product), bias];
  }, { since: 7 }),
];
