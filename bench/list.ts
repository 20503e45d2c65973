/** A bench: a module of this folder that is run with the bench's name as its argument. */
export interface Bench {
  readonly name: string;
  /** File in this folder. */
  readonly module: string;
}

/** Every bench there is, in the order in which they run. */
export const BENCHES: readonly Bench[] = [
  { name: "step/digits_cnn", module: "step.ts" },
  { name: "step/mlp", module: "step.ts" },
  { name: "step/lenet", module: "step.ts" },
  { name: "pipeline/digits_cnn", module: "pipeline.ts" },
  { name: "pipeline/mlp", module: "pipeline.ts" },
  { name: "frames/1MiB", module: "frames.ts" },
  { name: "optimizer/adam", module: "optimizer_adam.ts" },
];
