import { z } from "zod";
import { meaningOf } from "./config_keys.ts";

const noFeedback = { feedback: z.boolean().default(false) };

const codecOptions = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("none") }),
  z.strictObject({ type: z.literal("f16"), ...noFeedback }),
  z.strictObject({ type: z.literal("bf16"), ...noFeedback }),
  z.strictObject({ type: z.literal("int8"), ...noFeedback }),
  z.strictObject({
    type: z.literal("topk"),
    share: z.number().positive().max(0.5).default(0.01),
    feedback: z.boolean().default(true),
  }),
]);

const codec = z.union([
  z.enum(["none", "f16", "bf16", "int8", "topk"])
    .transform((type) => codecOptions.parse({ type })),
  codecOptions,
]).prefault("none");

/** Key `compression`: a codec for each thing that travels. */
export const compression = z.strictObject({
  activations: codec.describe(meaningOf("compression.activations")),
  gradients: codec.describe(meaningOf("compression.gradients")),
  averaging: codec.describe(meaningOf("compression.averaging")),
}).prefault({});
