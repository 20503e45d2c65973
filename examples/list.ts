/** Data that the user has to fetch. */
export interface Fetched {
  readonly what: string;
  readonly address: string;
  /** What `ravn.yaml` reads, below the example's folder. */
  readonly paths: readonly string[];
  /** Words of the `ravn` command that looks at it before the training. */
  readonly check: readonly string[];
}

/** Data that `ravn data make` makes, and the network that is trained on it. */
export interface MadeUp {
  readonly model: string;
  /** Words after `ravn data make`. */
  readonly make: readonly string[];
}

/** One of the examples. Its folder has a `ravn.yaml`, and a `standin.yaml` if it has a stand-in. */
export interface Example {
  readonly name: string;
  /** Network, by its name for `ravn init --model`. */
  readonly model: string;
  readonly data:
    | { readonly from: "repository"; readonly folder: string; readonly files: readonly string[] }
    | { readonly from: "make"; readonly words: readonly string[] }
    | { readonly from: "user"; readonly fetched: Fetched; readonly standIn: MadeUp };
}

const TINY_IMAGENET: Fetched = {
  what: "Tiny ImageNet",
  address: "http://cs231n.stanford.edu/tiny-imagenet-200.zip",
  paths: ["tiny-imagenet-200/train", "tiny-imagenet-200/val"],
  check: ["data", "info", "tiny-imagenet-200/train"],
};

const CIFAR_10: Fetched = {
  what: "CIFAR-10 (binary version)",
  address: "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
  paths: [
    ...[1, 2, 3, 4, 5].map((i) => `cifar-10-batches-bin/data_batch_${i}.bin`),
    "cifar-10-batches-bin/test_batch.bin",
  ],
  check: ["data", "info", "cifar-10-batches-bin/test_batch.bin"],
};

const WIKITEXT: Fetched = {
  what: "WikiText-103 (raw) with BERT's tokenizer",
  address: "https://huggingface.co/datasets/mattdangerw/wikitext-103-raw and " +
    "https://huggingface.co/google-bert/bert-base-uncased/resolve/main/tokenizer.json",
  paths: ["wikitext-103-raw/wiki.train.raw", "wikitext-103-raw/wiki.valid.raw", "tokenizer.json"],
  check: ["data", "info", "wikitext-103-raw/wiki.valid.raw", "--tokenizer", "tokenizer.json"],
};

/** The examples of Ravnest, with their hyperparameters in `ravn.yaml`. */
export const EXAMPLES: readonly Example[] = [
  {
    name: "cnn",
    model: "digits_cnn",
    data: {
      from: "repository",
      folder: "fixtures/digits",
      files: ["x_train.npy", "y_train.npy", "x_val.npy", "y_val.npy"],
    },
  },
  {
    name: "resnet50",
    model: "resnet50",
    data: {
      from: "user",
      fetched: TINY_IMAGENET,
      standIn: {
        model: "resnet50_64",
        make: ["tiny_imagenet", "--samples", "64", "--out", "tiny-imagenet-200"],
      },
    },
  },
  {
    name: "inception_v3",
    model: "inception_v3",
    data: {
      from: "user",
      fetched: CIFAR_10,
      standIn: {
        model: "inception_v3",
        make: ["cifar10", "--samples", "96", "--out", "cifar-10-batches-bin"],
      },
    },
  },
  {
    name: "bert",
    model: "bert_base",
    data: {
      from: "user",
      fetched: WIKITEXT,
      standIn: { model: "bert_tiny", make: ["text", "--samples", "600", "--out", "."] },
    },
  },
  {
    name: "sorter",
    model: "gpt_nano",
    data: { from: "make", words: ["sorter", "--samples", "51200", "--out", "."] },
  },
];
