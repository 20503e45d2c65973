import { atVersionOne, type Rule, type RuleEntry } from "../rule.ts";
import { abs } from "./abs.ts";
import { add, mean, sub, sum } from "./add.ts";
import { affineGrid } from "./affine_grid.ts";
import { averagePool, globalAveragePool } from "./average_pool.ts";
import { batchNormalization } from "./batch_normalization.ts";
import { centerCropPad } from "./center_crop_pad.ts";
import { clip } from "./clip.ts";
import { col2Im } from "./col2im.ts";
import { compress } from "./compress.ts";
import { concat, split } from "./concat.ts";
import { conv } from "./conv.ts";
import { cumProd, cumSum } from "./cumulative.ts";
import { einsum } from "./einsum.ts";
import { celu, elu, selu } from "./elu.ts";
import { biasGelu, erf, fastGelu, gelu, microsoftGelu } from "./erf.ts";
import { expand } from "./expand.ts";
import { exp, log, sqrt } from "./exponential.ts";
import { extremum } from "./extremum.ts";
import { fusedConv, fusedGemm } from "./fused_activation.ts";
import { gather, gatherElements } from "./gather.ts";
import { gatherNd } from "./gather_nd.ts";
import { gridSample } from "./grid_sample.ts";
import { groupNormalization, instanceNormalization } from "./group_normalization.ts";
import { acosh, asinh, atanh, cosh, sinh } from "./hyperbolic.ts";
import { cast, castLike, dropout, identity } from "./identity.ts";
import { hardSigmoid, hardSwish } from "./hard_sigmoid.ts";
import { determinant, inverse } from "./inverse.ts";
import { negativeLogLikelihoodLoss, softmaxCrossEntropyLoss } from "./label_loss.ts";
import { layerNormalization } from "./layer_normalization.ts";
import { lpNormalization } from "./lp_normalization.ts";
import { globalLpPool, lpPool } from "./lp_pool.ts";
import { lrn } from "./lrn.ts";
import { fusedMatMul, gemm, matMul } from "./matmul.ts";
import { globalMaxPool, maxPool } from "./max_pool.ts";
import { maxUnpool } from "./max_unpool.ts";
import { meanVarianceNormalization } from "./mean_variance_normalization.ts";
import { div, mul, neg, reciprocal } from "./mul.ts";
import { oneHot } from "./one_hot.ts";
import { REFUSED, ZERO_GRADIENT } from "./operators.ts";
import { pad } from "./pad.ts";
import { pow } from "./pow.ts";
import {
  reduceExtremum,
  reduceL1,
  reduceL2,
  reduceLogSum,
  reduceLogSumExp,
  reduceMean,
  reduceProd,
  reduceSum,
  reduceSumSquare,
} from "./reduce.ts";
import { leakyRelu, pRelu, relu, shrink, thresholdedRelu } from "./relu.ts";
import { type OperatorInfo, Registry } from "./registry.ts";
import { mod } from "./remainder.ts";
import { reshape } from "./reshape.ts";
import { resize, upsample } from "./resize.ts";
import { reverseSequence } from "./reverse_sequence.ts";
import { rmsNormalization } from "./rms_normalization.ts";
import { microsoftRotaryEmbedding, rotaryEmbedding } from "./rotary_embedding.ts";
import { scatter, scatterElementsRule, scatterNd } from "./scatter.ts";
import { sigmoid, softplus, softsign, tanh } from "./sigmoid.ts";
import { skipLayerNormalization, skipSimplifiedLayerNormalization } from "./skip_normalization.ts";
import { slice } from "./slice.ts";
import { logSoftmax, softmax } from "./softmax.ts";
import { depthToSpace, spaceToDepth } from "./space_depth.ts";
import { mish, quickGelu, swish } from "./swish.ts";
import { tile } from "./tile.ts";
import { topK } from "./top_k.ts";
import { transpose } from "./transpose.ts";
import { convTranspose } from "./transposed_convolution.ts";
import { trilu } from "./triangle.ts";
import { acos, asin, atan, cos, sin, tan } from "./trigonometric.ts";
import { where } from "./where.ts";
import { writtenOut } from "./written_out.ts";

/**
 * The rule of every operator that has one, by `domain.name`; ONNX's default domain is left out.
 * Every other operator stands in `operators.ts`, with the reason why it has none.
 */
const RULES: Readonly<Record<string, RuleEntry>> = {
  Abs: abs,
  Acos: acos,
  Acosh: acosh,
  Add: add,
  AffineGrid: affineGrid,
  Asin: asin,
  Asinh: asinh,
  Atan: atan,
  Atanh: atanh,
  Attention: writtenOut,
  AveragePool: averagePool,
  BatchNormalization: batchNormalization,
  Cast: cast,
  CastLike: castLike,
  Celu: celu,
  CenterCropPad: centerCropPad,
  Clip: clip,
  Col2Im: col2Im,
  Compress: compress,
  Concat: concat,
  Conv: conv,
  ConvTranspose: convTranspose,
  Cos: cos,
  Cosh: cosh,
  CumProd: cumProd,
  CumSum: cumSum,
  DepthToSpace: depthToSpace,
  Det: determinant,
  Div: div,
  Dropout: dropout,
  Einsum: einsum,
  Elu: elu,
  Erf: erf,
  Exp: exp,
  Expand: expand,
  Flatten: reshape,
  GRU: writtenOut,
  Gather: gather,
  GatherElements: gatherElements,
  GatherND: gatherNd,
  Gelu: gelu,
  Gemm: gemm,
  GlobalAveragePool: globalAveragePool,
  GlobalLpPool: globalLpPool,
  GlobalMaxPool: globalMaxPool,
  GridSample: gridSample,
  GroupNormalization: groupNormalization,
  HardSigmoid: hardSigmoid,
  HardSwish: hardSwish,
  Identity: identity,
  InstanceNormalization: instanceNormalization,
  LRN: lrn,
  LSTM: writtenOut,
  LayerNormalization: layerNormalization,
  LeakyRelu: leakyRelu,
  Log: log,
  LogSoftmax: logSoftmax,
  LpNormalization: lpNormalization,
  LpPool: lpPool,
  MatMul: matMul,
  Max: extremum,
  MaxPool: maxPool,
  MaxUnpool: maxUnpool,
  Mean: mean,
  MeanVarianceNormalization: meanVarianceNormalization,
  Min: extremum,
  Mish: mish,
  Mod: mod,
  Mul: mul,
  Neg: neg,
  NegativeLogLikelihoodLoss: negativeLogLikelihoodLoss,
  OneHot: oneHot,
  PRelu: pRelu,
  Pad: pad,
  Pow: pow,
  RMSNormalization: rmsNormalization,
  RNN: writtenOut,
  Reciprocal: reciprocal,
  ReduceL1: reduceL1,
  ReduceL2: reduceL2,
  ReduceLogSum: reduceLogSum,
  ReduceLogSumExp: reduceLogSumExp,
  ReduceMax: reduceExtremum,
  ReduceMean: reduceMean,
  ReduceMin: reduceExtremum,
  ReduceProd: reduceProd,
  ReduceSum: reduceSum,
  ReduceSumSquare: reduceSumSquare,
  Relu: relu,
  Reshape: reshape,
  Resize: resize,
  ReverseSequence: reverseSequence,
  RotaryEmbedding: rotaryEmbedding,
  Scatter: scatter,
  ScatterElements: scatterElementsRule,
  ScatterND: scatterNd,
  Selu: selu,
  Shrink: shrink,
  Sigmoid: sigmoid,
  SimplifiedLayerNormalization: rmsNormalization,
  Sin: sin,
  Sinh: sinh,
  Slice: slice,
  Softmax: softmax,
  SoftmaxCrossEntropyLoss: softmaxCrossEntropyLoss,
  Softplus: softplus,
  Softsign: softsign,
  SpaceToDepth: spaceToDepth,
  Split: split,
  Sqrt: sqrt,
  Squeeze: reshape,
  Sub: sub,
  Sum: sum,
  Swish: swish,
  Tan: tan,
  Tanh: tanh,
  ThresholdedRelu: thresholdedRelu,
  Tile: tile,
  TopK: topK,
  Transpose: transpose,
  Trilu: trilu,
  Unsqueeze: reshape,
  Upsample: upsample,
  Where: where,
  "com.microsoft.Attention": writtenOut,
  "com.microsoft.BiasGelu": biasGelu,
  "com.microsoft.ExpandDims": reshape,
  "com.microsoft.EmbedLayerNormalization": writtenOut,
  "com.microsoft.FastGelu": fastGelu,
  "com.microsoft.FusedConv": fusedConv,
  "com.microsoft.FusedGemm": fusedGemm,
  "com.microsoft.FusedMatMul": fusedMatMul,
  "com.microsoft.GatherND": atVersionOne(gatherNd),
  "com.microsoft.Gelu": microsoftGelu,
  "com.microsoft.GridSample": atVersionOne(gridSample),
  "com.microsoft.Inverse": inverse,
  "com.microsoft.Pad": atVersionOne(pad),
  "com.microsoft.MultiHeadAttention": writtenOut,
  "com.microsoft.QuickGelu": quickGelu,
  "com.microsoft.RotaryEmbedding": microsoftRotaryEmbedding,
  "com.microsoft.SkipLayerNormalization": skipLayerNormalization,
  "com.microsoft.SkipSimplifiedLayerNormalization": skipSimplifiedLayerNormalization,
  "com.microsoft.TransposeMatMul": fusedMatMul,
  "com.microsoft.Trilu": atVersionOne(trilu),
};

/** What happens to gradients at the operators, for look-ups. */
const registry = new Registry(RULES, ZERO_GRADIENT, REFUSED);

/** The rule of an operator at a version of its operator set; undefined where it is refused. */
export function ruleFor(op: string, domain: string, opset: number): Rule | undefined {
  return registry.ruleFor(op, domain, opset);
}

/** Why an operator that has no rule is refused. */
export function refusalReason(op: string, domain: string, opset: number): string {
  return registry.refusalReason(op, domain, opset);
}

/** All operators that are known, by domain and name, with the opsets for which it is true. */
export function operators(): OperatorInfo[] {
  return registry.operators();
}
