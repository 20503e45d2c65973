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
  { name: "pipeline/gpt", module: "pipeline.ts" },
  { name: "pipeline/gpt_1f1b", module: "pipeline.ts" },
  { name: "pipeline/zb", module: "zero_bubble.ts" },
  { name: "prediction/digits_cnn", module: "prediction.ts" },
  { name: "prediction/mlp", module: "prediction.ts" },
  { name: "prediction/gpt", module: "prediction.ts" },
  { name: "planning/1000x2000", module: "planning.ts" },
  { name: "data/wait", module: "data.ts" },
  { name: "simulation/1000", module: "simulation.ts" },
  { name: "gradient/conv_depthwise", module: "gradient_conv.ts" },
  { name: "gradient/conv_grouped", module: "gradient_conv.ts" },
  { name: "gradient/conv_strided", module: "gradient_conv.ts" },
  { name: "gradient/conv_plain", module: "gradient_conv.ts" },
  { name: "gradient/conv_3d", module: "gradient_conv.ts" },
  { name: "allreduce/100MB-4", module: "all_reduce.ts" },
  { name: "overlap/reduce", module: "overlap.ts" },
  { name: "averaging/mnist", module: "averaging_mnist.ts" },
  { name: "frames/1MiB", module: "frames.ts" },
  { name: "compression/f16", module: "compression.ts" },
  { name: "compression/bf16", module: "compression.ts" },
  { name: "compression/int8", module: "compression.ts" },
  { name: "optimizer/adam", module: "optimizer_adam.ts" },
  { name: "gradient/layer_norm", module: "gradient_layers.ts" },
  { name: "gradient/embedding_512", module: "gradient_layers.ts" },
  { name: "gradient/embedding_30522", module: "gradient_layers.ts" },
];
