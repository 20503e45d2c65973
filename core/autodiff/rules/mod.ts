import { MICROSOFT } from "../emit.ts";
import type { Rule, RuleEntry } from "../rule.ts";
import { abs } from "./abs.ts";
import { add, mean, sub, sum } from "./add.ts";
import { averagePool, globalAveragePool } from "./average_pool.ts";
import { batchNormalization } from "./batch_normalization.ts";
import { clip } from "./clip.ts";
import { concat, split } from "./concat.ts";
import { conv } from "./conv.ts";
import { erf, fastGelu, gelu, microsoftGelu } from "./erf.ts";
import { expand } from "./expand.ts";
import { exp, log, sqrt } from "./exponential.ts";
import { extremum } from "./extremum.ts";
import { gather, gatherElements } from "./gather.ts";
import { cast, castLike, dropout, identity } from "./identity.ts";
import { hardSigmoid, hardSwish } from "./hard_sigmoid.ts";
import { layerNormalization } from "./layer_normalization.ts";
import { fusedMatMul, gemm, matMul } from "./matmul.ts";
import { globalMaxPool, maxPool } from "./max_pool.ts";
import { div, mul, neg, reciprocal } from "./mul.ts";
import {
  DIFFERENTIABLE,
  type DifferentiableOperator,
  type OperatorWithoutRule,
  WITHOUT_RULE,
  ZERO_GRADIENT,
  type ZeroGradientOperator,
} from "./operators.ts";
import { pad } from "./pad.ts";
import { pow } from "./pow.ts";
import {
  reduceExtremum,
  reduceL2,
  reduceLogSumExp,
  reduceMean,
  reduceSum,
  reduceSumSquare,
} from "./reduce.ts";
import { elu, leakyRelu, pRelu, relu } from "./relu.ts";
import { reshape } from "./reshape.ts";
import { sigmoid, softplus, softsign, tanh } from "./sigmoid.ts";
import { slice } from "./slice.ts";
import { logSoftmax, softmax } from "./softmax.ts";
import { depthToSpace, spaceToDepth } from "./space_depth.ts";
import { transpose } from "./transpose.ts";
import { trilu } from "./triangle.ts";
import { cos, sin } from "./trigonometric.ts";
import { where } from "./where.ts";

/** The rule of every operator that has one; to leave one out is a compile error. */
const RULES: Readonly<Record<DifferentiableOperator, RuleEntry>> = {
  Abs: abs,
  Add: add,
  AveragePool: averagePool,
  BatchNormalization: batchNormalization,
  Cast: cast,
  CastLike: castLike,
  Clip: clip,
  Concat: concat,
  Conv: conv,
  Cos: cos,
  DepthToSpace: depthToSpace,
  Div: div,
  Dropout: dropout,
  Elu: elu,
  Erf: erf,
  Exp: exp,
  Expand: expand,
  Flatten: reshape,
  Gather: gather,
  GatherElements: gatherElements,
  Gelu: gelu,
  Gemm: gemm,
  GlobalAveragePool: globalAveragePool,
  GlobalMaxPool: globalMaxPool,
  HardSigmoid: hardSigmoid,
  HardSwish: hardSwish,
  Identity: identity,
  LayerNormalization: layerNormalization,
  LeakyRelu: leakyRelu,
  Log: log,
  LogSoftmax: logSoftmax,
  MatMul: matMul,
  Max: extremum,
  MaxPool: maxPool,
  Mean: mean,
  Min: extremum,
  Mul: mul,
  Neg: neg,
  PRelu: pRelu,
  Pad: pad,
  Pow: pow,
  Reciprocal: reciprocal,
  ReduceL2: reduceL2,
  ReduceLogSumExp: reduceLogSumExp,
  ReduceMax: reduceExtremum,
  ReduceMean: reduceMean,
  ReduceMin: reduceExtremum,
  ReduceSum: reduceSum,
  ReduceSumSquare: reduceSumSquare,
  Relu: relu,
  Reshape: reshape,
  Sigmoid: sigmoid,
  Sin: sin,
  Slice: slice,
  Softmax: softmax,
  Softplus: softplus,
  Softsign: softsign,
  SpaceToDepth: spaceToDepth,
  Split: split,
  Sqrt: sqrt,
  Squeeze: reshape,
  Sub: sub,
  Sum: sum,
  Tanh: tanh,
  Transpose: transpose,
  Trilu: trilu,
  Unsqueeze: reshape,
  Where: where,
  "com.microsoft.FastGelu": fastGelu,
  "com.microsoft.FusedMatMul": fusedMatMul,
  "com.microsoft.Gelu": microsoftGelu,
};

/** What is known of an operator's gradient. */
export interface OperatorInfo {
  readonly op: string;
  /** `""` is ONNX's default domain. */
  readonly domain: string;
  /** `"zero"`: no gradient flows through it. `"none"`: it is refused on the path of a gradient. */
  readonly kind: "differentiable" | "zero" | "none";
}

type Listed = DifferentiableOperator | ZeroGradientOperator | OperatorWithoutRule;

const zero: Rule = { kind: "zero", since: 1 };
const zeroOperators: ReadonlySet<string> = new Set(ZERO_GRADIENT);
const entries: ReadonlyMap<string, RuleEntry> = new Map(Object.entries(RULES));

/** The rule of an operator at a version of its operator set; undefined where there is none. */
export function ruleFor(op: string, domain: string, opset: number): Rule | undefined {
  const name = domain === "" || domain === "ai.onnx" ? op : `${domain}.${op}`;
  if (zeroOperators.has(name)) return zero;
  return entries.get(name)?.find(({ since, until = Infinity }) => since <= opset && opset <= until);
}

function info(listed: Listed, kind: OperatorInfo["kind"]): OperatorInfo {
  const prefix = `${MICROSOFT}.`;
  return listed.startsWith(prefix)
    ? { op: listed.slice(prefix.length), domain: MICROSOFT, kind }
    : { op: listed, domain: "", kind };
}

/** All operators of which something is known, sorted by kind and name. */
export function operators(): OperatorInfo[] {
  return [
    ...DIFFERENTIABLE.map((name) => info(name, "differentiable")),
    ...ZERO_GRADIENT.map((name) => info(name, "zero")),
    ...WITHOUT_RULE.map((name) => info(name, "none")),
  ];
}
