/** The example networks, by the names that `ravn init --model` takes. */
export { bert, BERT_SIZES } from "./bert.ts";
export { digitsCnn } from "./digits_cnn.ts";
export { fourier } from "./fourier.ts";
export { gpt, GPT_SIZES } from "./gpt.ts";
export { inceptionV3 } from "./inception_v3.ts";
export { lenet } from "./lenet.ts";
export { mlp } from "./mlp.ts";
export { mnistCnn } from "./mnist_cnn.ts";
export { mobilenetV2 } from "./mobilenet_v2.ts";
export { residual } from "./residual.ts";
export { resnet18, resnet50 } from "./resnet.ts";
export type { BertOptions, BertSize } from "./bert.ts";
export type { FourierOptions } from "./fourier.ts";
export type { GptOptions, GptSize } from "./gpt.ts";
export type { InceptionV3Options } from "./inception_v3.ts";
export type { MlpOptions } from "./mlp.ts";
export type { MnistCnnOptions } from "./mnist_cnn.ts";
export type { MobileNetV2Options } from "./mobilenet_v2.ts";
export type { ResNetOptions } from "./resnet.ts";

export { Network } from "./network.ts";
export type { ConvOptions, LinearOptions, PoolOptions } from "./network.ts";

export { exampleNamed, EXAMPLES } from "./examples.ts";
export type { Example, ExampleInput, ExampleOutput } from "./example.ts";
