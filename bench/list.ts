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
  { name: "step/resnet18", module: "step.ts" },
  { name: "step/mobilenet_v2", module: "step.ts" },
  { name: "step/gpt", module: "step.ts" },
  { name: "step/bert_tiny", module: "step.ts" },
  { name: "memory/gpt", module: "memory.ts" },
  { name: "pipeline/digits_cnn", module: "pipeline.ts" },
  { name: "pipeline/mlp", module: "pipeline.ts" },
  { name: "data/wait", module: "data.ts" },
  { name: "gradient/conv_depthwise", module: "gradient_conv.ts" },
  { name: "gradient/conv_grouped", module: "gradient_conv.ts" },
  { name: "gradient/conv_strided", module: "gradient_conv.ts" },
  { name: "gradient/conv_plain", module: "gradient_conv.ts" },
  { name: "frames/1MiB", module: "frames.ts" },
  { name: "optimizer/adam", module: "optimizer_adam.ts" },
  { name: "gradient/layer_norm", module: "gradient_layers.ts" },
  { name: "gradient/embedding_512", module: "gradient_layers.ts" },
  { name: "gradient/embedding_30522", module: "gradient_layers.ts" },
];
