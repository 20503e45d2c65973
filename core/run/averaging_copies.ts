import { optimizerSlots } from "../training/mod.ts";
import { reduceDelayOf } from "./averaging_schema.ts";
import type { Config } from "./config.ts";

type AveragingKeys = Pick<
  Config,
  "reduce_every" | "reduce_delay" | "average_optimizer" | "optimizer" | "outer" | "compression"
>;

/**
 * Copies of its parameters that a node needs to average them with other clusters: the sum and what
 * arrives of it; where training goes on meanwhile, or the mean moves on its own, the weights as
 * they were; with an outer optimizer or compression its state too. Averaged moments count as
 * parameters.
 */
export function averagingCopies(config: AveragingKeys): number {
  if (config.reduce_every === "never") return 0;
  const { averaging: codec } = config.compression;
  const moves = config.outer.type !== "none" || codec.type !== "none";
  const feedback = codec.type !== "none" && codec.feedback ? 1 : 0;
  const begun = moves || reduceDelayOf(config) > 0 ? 1 : 0;
  const slots = config.average_optimizer ? optimizerSlots(config.optimizer).length : 0;
  return (2 + begun + (moves ? 2 : 0) + feedback) * (1 + slots);
}
