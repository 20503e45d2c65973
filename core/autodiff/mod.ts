/**
 * Reverse-mode differentiation of ONNX graphs: from a forward graph to one that also computes
 * gradients, in ordinary operators. Pure: graphs go in, graphs come out.
 */
export { differentiate, type DifferentiateOptions, type Gradients } from "./differentiate.ts";
export {
  type Mask,
  trainingForm,
  type TrainingFormOptions,
  type TrainingGraph,
} from "./training_form.ts";
export type { Statistic } from "./batch_statistics.ts";
export { inferenceForm } from "./inference_form.ts";
export { type OperatorInfo, operators, ruleFor } from "./rules/mod.ts";
export type { DifferentiableRule, Rule, ZeroRule } from "./rule.ts";
export type { ChooseFormulation, FormulationQuestion } from "./formulation.ts";
export type { ConvShape } from "./rules/conv_shape.ts";
export {
  dropoutHash,
  dropoutKeeps,
  type DropoutKey,
  dropoutKey,
  dropoutSalt,
  dropoutThreshold,
} from "./dropout_hash.ts";
export { SEED_INPUT, STEP_INPUT } from "./dropout_mask.ts";
export {
  type Deviation,
  type FiniteDifferenceOptions,
  gradientDeviations,
  type Runnable,
} from "./finite_difference.ts";
export { type GradientGraph, gradientGraph } from "./gradient_graph.ts";
