/**
 * Reverse-mode differentiation of ONNX graphs: from a forward graph to one that also computes
 * gradients, in ordinary operators. Pure: graphs go in, graphs come out.
 *
 * To read it in order: `differentiate.ts` walks a graph backwards, `call.ts` is what a rule sees of
 * a node, `emit.ts` and `operations.ts` write new nodes, `rules/mul.ts` is a rule, `rules/mod.ts`
 * lists them all, `decompose.ts` writes out the operators that have no rule of their own,
 * `training_form.ts` prepares a model for training. `rules/conv_cost.ts` says how the formulation
 * of a convolution's gradients is chosen.
 */
export { differentiate, type DifferentiateOptions, type Gradients } from "./differentiate.ts";
export {
  type Mask,
  trainingForm,
  type TrainingFormOptions,
  type TrainingGraph,
} from "./training_form.ts";
export type { Statistic } from "./batch_statistics.ts";
export { decomposed } from "./decompose.ts";
export { inferenceForm } from "./inference_form.ts";
export { operators, refusalReason, ruleFor } from "./rules/mod.ts";
export { fullName, type OperatorInfo } from "./rules/registry.ts";
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
export { forwardGraph, type GradientGraph, gradientGraph } from "./gradient_graph.ts";
export * from "./directional.ts";
