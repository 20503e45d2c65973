import { z } from "zod";
import { ON_ERRORS, TEXT_TASKS } from "../data/mod.ts";

const path = z.string().min(1);
const files = z.union([path, z.record(z.string(), path)]);
const pixels = z.int("an integer").min(1).max(2 ** 15);
const size = z.union([pixels, z.tuple([pixels, pixels])]);
const share = z.number().min(0).max(1);
const numbers = z.array(z.number()).min(1).max(4);

/** A range from a to b. */
const range = (low: number, high: number) =>
  z.tuple([z.number().positive(), z.number().positive()])
    .refine(([a, b]) => a <= b, "the first number must not exceed the second")
    .default([low, high]);

const step = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("random_resized_crop"),
    size,
    scale: range(0.08, 1),
    ratio: range(3 / 4, 4 / 3),
  }),
  z.strictObject({ type: z.literal("resize"), size }),
  z.strictObject({ type: z.literal("center_crop"), size }),
  z.strictObject({
    type: z.literal("random_crop"),
    size,
    padding: z.int("an integer").min(0).max(2 ** 12).default(0),
  }),
  z.strictObject({ type: z.literal("horizontal_flip"), p: share.default(0.5) }),
  z.strictObject({ type: z.literal("grey") }),
  z.strictObject({ type: z.literal("scale") }),
  z.strictObject({
    type: z.literal("normalise"),
    mean: numbers,
    std: z.array(z.number().positive()).min(1).max(4),
  }),
]);

const steps = z.array(z.union([
  z.enum(["horizontal_flip", "grey", "scale"]).transform((type) => step.parse({ type })),
  step,
]));

/** Keys that only one way of giving data takes. */
const OWN_KEYS = {
  images: ["transform", "on_error"],
  text: ["tokenizer", "block_size", "task", "lines", "mask"],
  inputs: ["transform"],
} as const;

const partKeys = z.strictObject({
  inputs: files.optional(),
  labels: files.optional(),
  images: path.optional(),
  transform: steps.optional(),
  on_error: z.enum(ON_ERRORS).optional(),
  text: path.optional(),
  tokenizer: path.optional(),
  block_size: z.int("an integer").min(1).max(2 ** 20).optional(),
  task: z.enum(TEXT_TASKS).optional(),
  lines: z.boolean().optional(),
  mask: z.number().positive().max(1).optional(),
});

type Part = z.output<typeof partKeys>;

/** What a part says that does not go together, or undefined. */
function contradiction(part: Part): { key: keyof Part; message: string } | undefined {
  const ways = (["inputs", "images", "text"] as const).filter((way) => part[way] !== undefined);
  const [way] = ways;
  if (way === undefined) return { key: "inputs", message: "a file, or one of images and text" };
  if (ways.length > 1) {
    const message = `expected one of inputs, images and text; got ${ways.join(" and ")}`;
    return { key: way, message };
  }
  const own: readonly string[] = OWN_KEYS[way];
  for (const key of Object.values(OWN_KEYS).flat()) {
    if (part[key] !== undefined && !own.includes(key)) {
      return { key, message: `does not go with ${way}` };
    }
  }
  if (way === "text" && part.labels !== undefined) {
    return { key: "labels", message: "does not go with text, which is its own label" };
  }
  return undefined;
}

/** `data.train` and `data.validation`. */
export const dataPart = partKeys.superRefine((value, context) => {
  const found = contradiction(value);
  if (found === undefined) return;
  context.addIssue({
    code: "custom",
    path: found.key === undefined ? [] : [found.key],
    message: found.message,
  });
});

/** `data.workers`. */
export const dataWorkers = z.union([
  z.literal("auto"),
  z.int("an integer").min(0).max(256),
]);
