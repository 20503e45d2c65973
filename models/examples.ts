import { bert, BERT_SIZES } from "./bert.ts";
import { digitsCnn } from "./digits_cnn.ts";
import type { Example } from "./example.ts";
import { fourier } from "./fourier.ts";
import { gpt, GPT_SIZES } from "./gpt.ts";
import { inceptionV3 } from "./inception_v3.ts";
import { lenet } from "./lenet.ts";
import { mlp } from "./mlp.ts";
import { mnistCnn } from "./mnist_cnn.ts";
import { mobilenetV2 } from "./mobilenet_v2.ts";
import { residual } from "./residual.ts";
import { resnet18, resnet50 } from "./resnet.ts";

/** Label of a token that is not to be guessed, PyTorch's default. */
const NOT_GUESSED = -100;

/** Images to class logits. */
function images(shape: readonly number[], classes: number): Pick<Example, "inputs" | "outputs"> {
  return {
    inputs: [{ name: "input", shape }],
    outputs: [{ name: "output", shape: [classes], loss: "cross_entropy" }],
  };
}

interface Tokens {
  readonly vocabulary: number;
  readonly block: number;
  readonly tied?: boolean;
  /** Label that does not count. */
  readonly ignored?: number;
}

/** Tokens to logits of the next one at every place. */
function tokens(
  { vocabulary, block, ignored = NOT_GUESSED }: Tokens,
): Pick<Example, "inputs" | "outputs"> {
  const output = { name: "output", shape: [block, vocabulary], loss: "cross_entropy" } as const;
  return {
    inputs: [{ name: "input", shape: [block], below: vocabulary }],
    outputs: [{ ...output, ignored }],
  };
}

function gptExample(
  size: keyof typeof GPT_SIZES,
  describe: string,
  o: Tokens,
): Example {
  return {
    name: size.startsWith("gpt") ? size : `gpt_${size}`,
    describe,
    ...tokens(o),
    build: ({ seed }) => gpt({ seed, ...GPT_SIZES[size], ...o }),
  };
}

/** Tokens and segments, and which tokens there are, to masked tokens and the sentences' order. */
function bertExample(size: keyof typeof BERT_SIZES, describe: string, sequence: number): Example {
  const vocabulary = 30522;
  const loss = { loss: "cross_entropy" } as const;
  return {
    name: `bert_${size}`,
    describe,
    inputs: [
      { name: "input_ids", shape: [sequence], below: vocabulary },
      { name: "token_type_ids", shape: [sequence], below: 2 },
      { name: "attention_mask", shape: [sequence], below: 2 },
    ],
    outputs: [
      {
        name: "prediction_logits",
        shape: [sequence, vocabulary],
        ...loss,
        labels: "labels",
        ignored: NOT_GUESSED,
      },
      {
        name: "seq_relationship_logits",
        shape: [2],
        ...loss,
        labels: "next_sentence_label",
      },
    ],
    batch: 8,
    large: size === "base",
    build: ({ seed }) => bert({ seed, ...BERT_SIZES[size], vocabulary, sequence }),
  };
}

/** Text as bytes. */
const BYTES = { vocabulary: 256, block: 128 };

/** All example networks. */
export const EXAMPLES: readonly Example[] = [
  {
    name: "digits_cnn",
    describe: "CNN with dropout and batch norm for 8x8 digits, 16,426 parameters",
    inputs: [{ name: "input", shape: [1, 8, 8] }],
    outputs: [{ name: "output", shape: [10], loss: "mse" }],
    build: digitsCnn,
  },
  {
    name: "mlp",
    describe: "perceptron 784-1024-1024-10, 1,863,690 parameters",
    ...images([784], 10),
    build: mlp,
  },
  {
    name: "lenet",
    describe: "LeNet-5 for 28x28 images, 61,706 parameters",
    ...images([1, 28, 28], 10),
    build: lenet,
  },
  {
    name: "residual",
    describe: "small residual network with batch norm for 8x8 digits, 5,122 parameters",
    ...images([1, 8, 8], 10),
    build: residual,
  },
  {
    name: "resnet18",
    describe: "ResNet-18 for 64x64 images of 200 classes, 11,279,112 parameters",
    ...images([3, 64, 64], 200),
    build: ({ seed }) => resnet18({ seed, size: 64, classes: 200 }),
  },
  {
    name: "resnet50",
    describe: "ResNet-50 for 224x224 images of 200 classes, 23,917,832 parameters",
    ...images([3, 224, 224], 200),
    batch: 32,
    large: true,
    build: ({ seed }) => resnet50({ seed, classes: 200 }),
  },
  {
    name: "resnet50_64",
    describe: "ResNet-50 for 64x64 images of 200 classes, 23,917,832 parameters",
    ...images([3, 64, 64], 200),
    large: true,
    build: ({ seed }) => resnet50({ seed, size: 64, classes: 200 }),
  },
  {
    name: "inception_v3",
    describe: "Inception v3 for 32x32 images of 10 classes, 21,638,954 parameters",
    ...images([3, 32, 32], 10),
    large: true,
    build: ({ seed }) => inceptionV3({ seed, size: 32, classes: 10 }),
  },
  {
    name: "inception_v3_299",
    describe: "Inception v3 with its second head for 299x299 images, 27,161,264 parameters",
    inputs: [{ name: "input", shape: [3, 299, 299] }],
    outputs: [
      { name: "output", shape: [1000], loss: "cross_entropy" },
      { name: "aux", shape: [1000], loss: "cross_entropy", weight: 0.4 },
    ],
    batch: 16,
    large: true,
    build: ({ seed }) => inceptionV3({ seed, aux: true }),
  },
  {
    name: "mobilenet_v2",
    describe: "MobileNetV2 for 224x224 images of 1000 classes, 3,504,872 parameters",
    ...images([3, 224, 224], 1000),
    batch: 32,
    build: mobilenetV2,
  },
  {
    name: "mnist_cnn",
    describe: "CNN of the consensus experiments for 28x28 digits, 28,440 parameters",
    inputs: [{ name: "input", shape: [1, 28, 28] }],
    outputs: [{ name: "output", shape: [10], loss: "nll" }],
    build: mnistCnn,
  },
  {
    name: "fourier",
    describe: "sine and ReLU network from places to densities, 25,601 parameters",
    inputs: [{ name: "input", shape: [2] }],
    outputs: [{ name: "output", shape: [1], loss: "bce" }],
    build: fourier,
  },
  bertExample("tiny", "BERT-tiny with both heads, 128 places, 4,433,468 parameters", 128),
  bertExample("base", "BERT-base with both heads, 512 places, 110,106,428 parameters", 512),
  gptExample("nano", "GPT for sorting 6 digits of 3, 85,728 parameters", {
    vocabulary: 3,
    block: 11,
    ignored: -1,
  }),
  gptExample("micro", "GPT on bytes, 128 places, 875,264 parameters", BYTES),
  gptExample("mini", "GPT on bytes, 128 places, 2,792,448 parameters", BYTES),
  {
    ...gptExample("gopher_44m", "GPT on bytes, 128 places, 25,547,776 parameters", BYTES),
    large: true,
  },
  {
    ...gptExample("gpt2", "GPT-2 with 1024 places, tied last layer, 124,439,808 parameters", {
      vocabulary: 50257,
      block: 1024,
      tied: true,
    }),
    batch: 2,
    large: true,
  },
];

/** The example network called `name`, or undefined. */
export function exampleNamed(name: string): Example | undefined {
  return EXAMPLES.find((example) => example.name === name);
}
