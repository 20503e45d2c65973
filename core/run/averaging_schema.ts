import { z } from "zod";
import { integer } from "./config_training.ts";

const rate = z.number().positive();
const share = z.number().min(0).lt(1);

const outerOptions = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("none") }),
  z.strictObject({
    type: z.literal("sgd"),
    lr: rate.default(1),
    momentum: share.default(0),
  }),
  z.strictObject({
    type: z.literal("nesterov"),
    lr: rate.default(0.7),
    momentum: share.positive().default(0.9),
  }),
]);

/** Key `outer`. */
export const outer = z.union([
  z.enum(["none", "sgd", "nesterov"]).transform((type) => outerOptions.parse({ type })),
  outerOptions,
]).prefault("none");

/** Key `reduce_delay`. */
export const reduceDelay = z.union([z.literal("auto"), integer.min(0)]).default("auto");

/** The keys that say when an average is taken over. */
interface Delayed {
  readonly reduce_every: "epoch" | "never" | number;
  readonly reduce_delay: "auto" | number;
  readonly average_optimizer: boolean;
}

/** Share of the updates between two averages that `auto` lets go on meanwhile. */
const AUTO_SHARE = 0.1;
/** Updates that go on at least, and the share of all that this may be. */
const AUTO_LEAST = 4;
const LEAST_SHARE = 0.4;

/**
 * Updates that go on while clusters average. `auto` is a tenth of those between two averages; four
 * where that is no more than two fifths, else what that is, one at least. So many are needed
 * because a message waits for the operation that is under way, the pieces of a mean come in two
 * messages, and no machine is always equally fast: whoever is behind makes the others wait. None
 * where clusters average each epoch or each update, or the optimizer's state too.
 */
export function reduceDelayOf({ reduce_every, reduce_delay, average_optimizer }: Delayed): number {
  if (reduce_delay !== "auto") return reduce_delay;
  if (typeof reduce_every === "string" || reduce_every === 1 || average_optimizer) return 0;
  const least = Math.min(AUTO_LEAST, Math.floor(reduce_every * LEAST_SHARE));
  return Math.max(1, least, Math.floor(reduce_every * AUTO_SHARE));
}
