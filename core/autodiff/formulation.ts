import type { Call } from "./call.ts";
import type { ConvShape } from "./rules/conv_shape.ts";

/** One way to write a gradient that has several. */
export interface Formulation {
  readonly name: string;
  /** True where this way is right for the shape. */
  readonly applies: (shape: ConvShape) => boolean;
  /** Emits the nodes and returns the gradient. */
  readonly emit: (call: Call, shape: ConvShape) => string;
}

/** A choice between formulations, for a caller that has measured them. */
export interface FormulationQuestion {
  readonly operator: "Conv";
  /** Which gradient: that of the input or that of the weight. */
  readonly gradient: "data" | "weight";
  readonly shape: ConvShape;
  /** Names of the formulations that are right for this shape; the first is the default. */
  readonly candidates: readonly string[];
}

/** Names one of the candidates; undefined leaves it at the default. */
export type ChooseFormulation = (question: FormulationQuestion) => string | undefined;

/** The default, unless `choose` names another of the formulations that apply. */
export function chosen(
  question: Omit<FormulationQuestion, "candidates">,
  formulations: readonly Formulation[],
  preferred: Formulation,
  choose: ChooseFormulation | undefined,
): Formulation {
  if (choose === undefined) return preferred;
  const right = formulations.filter(({ applies }) => applies(question.shape));
  const others = right.filter((formulation) => formulation !== preferred);
  const candidates = [preferred, ...others].map(({ name }) => name);
  const name = choose({ ...question, candidates });
  return right.find((formulation) => formulation.name === name) ?? preferred;
}
