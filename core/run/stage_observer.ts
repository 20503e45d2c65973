import type { Calendar, EvaluationStep, Place, StageTask } from "../pipeline/mod.ts";
import type { Identity } from "../../transport/mod.ts";
import type { AverageReport } from "./averaging.ts";
import type { RunTerms } from "./run_terms.ts";

/** What a stage learns as it trains. */
export interface StageObserver {
  begun?(calendar: Calendar, terms: RunTerms): void;
  /** Last stage: loss of a micro-batch, a mean over its samples. */
  loss?(place: Place, loss: number): void;
  /** Update `update` (from 0) was made with learning rate `rate`. */
  updated?(update: number, rate: number): void;
  /** Last stage: a validation batch was run; its output and labels lie in slot `slot`. */
  validated?(step: EvaluationStep, slot: number, samples: number, loss: number): void;
  /** An average with other clusters was taken over. */
  averaged?(report: AverageReport): void;
  /** A peer was lost while this stage waited for `expected`. */
  lost?(peer: Identity, expected: string): void;
  /** `work` ran from `begin` to `end`, in ms of `performance.now()`. */
  ran?(work: StageTask, begin: number, end: number): void;
}
