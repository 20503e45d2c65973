import type { Call } from "./call.ts";
import type { ConvShape } from "./rules/conv_shape.ts";

/** One way to write a gradient that has several. */
export interface Formulation {
  readonly name: string;
  /** First opset in which it can be written; any if absent. */
  readonly since?: number;
  /** True where this way is right for the shape. */
  readonly applies: (shape: ConvShape) => boolean;
  /** What it costs on so many threads, in a unit of its own: it serves to compare. */
  readonly cost: (shape: ConvShape, threads: number) => number;
  /** Emits the nodes and returns the gradient. */
  readonly emit: (call: Call, shape: ConvShape) => string;
}

/** A choice between formulations, for a caller that has measured them. */
export interface FormulationQuestion {
  readonly operator: "Conv";
  /** Which gradient: that of the input or that of the weight. */
  readonly gradient: "data" | "weight";
  readonly shape: ConvShape;
  /** Names of the formulations that are right for this shape, by estimated cost. */
  readonly candidates: readonly string[];
  /** The estimated cost of each, in a unit of its own: it serves to compare. */
  readonly costs: readonly number[];
}

/** Names one of the candidates; undefined leaves it at the first. */
export type ChooseFormulation = (question: FormulationQuestion) => string | undefined;

/** The cheapest by estimate of the formulations that apply, unless `choose` names another. */
export function chosen(
  question: Omit<FormulationQuestion, "candidates" | "costs">,
  formulations: readonly Formulation[],
  call: Call,
): Formulation {
  const { shape } = question;
  const { threads, choose } = call.around;
  const right = formulations
    .filter(({ applies, since = 1 }) => since <= call.emit.opset && applies(shape))
    .map((formulation) => ({ formulation, cost: formulation.cost(shape, threads) }))
    .toSorted((a, b) => a.cost - b.cost);
  const name = choose?.({
    ...question,
    candidates: right.map(({ formulation }) => formulation.name),
    costs: right.map(({ cost }) => cost),
  });
  return (right.find(({ formulation }) => formulation.name === name) ?? right[0]!).formulation;
}
