/** One key of `ravn.yaml`, for help texts. */
export interface ConfigKey {
  /** Path of the key, e.g. `"data.shuffle"`. */
  readonly key: string;
  /** Its default as YAML, or undefined where it must be given. */
  readonly default: string | undefined;
  readonly meaning: string;
}

function key(name: string, standard: string | undefined, meaning: string): ConfigKey {
  return { key: name, default: standard, meaning };
}

/** All keys, in the order in which a file has them. Free of the schema, so that help loads fast. */
export const CONFIG_KEYS: readonly ConfigKey[] = [
  key("model", undefined, "ONNX file of the network"),
  key(
    "loss",
    "mse",
    "mse, l1, huber {delta: 1}, smooth_l1 {beta: 1}, cross_entropy {label_smoothing: 0, " +
      "ignore_index, weights}, nll {ignore_index, weights}, bce, bce_with_logits {pos_weight}, " +
      "kl {log_target: false, reduction: mean}, {output: name of a model output}, " +
      "or a list of them, each with {output, labels, weight: 1}",
  ),
  key(
    "optimizer",
    "{type: adam, lr: 0.001, betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0}",
    "adam, adamw {weight_decay: 0.01}, sgd {lr: 0.001, momentum: 0, dampening: 0, " +
      "nesterov: false, weight_decay: 0}, rmsprop {lr: 0.01, alpha: 0.99, momentum: 0, " +
      "centered: false}, adagrad {lr: 0.01, lr_decay: 0, initial_accumulator_value: 0}, " +
      "lion {lr: 0.0001, betas: [0.9, 0.99]}, or lamb {eps: 1e-6, weight_decay: 0.01}; each with " +
      "groups: [{match: patterns of names, lr, weight_decay}]",
  ),
  key(
    "lr_schedule",
    "{type: constant}",
    "constant, step {step_size, gamma: 0.1}, exponential {gamma}, cosine {t_max, eta_min: 0}, " +
      "polynomial {total_iters, power: 1}, each per: epoch; one_cycle {pct_start: 0.3, " +
      "anneal_strategy: cos, div_factor: 25, final_div_factor: 1e4} and " +
      "linear_warmup {warmup, start_factor: 0, then: another} per: update",
  ),
  key(
    "clip",
    "null",
    "{norm: n} of all gradients, scope: model or stage; or {value: v} of each; none by default",
  ),
  key("freeze", "[]", "patterns of parameter names that are not trained, as features.*"),
  key("batch_size", "64", "samples of a batch; the last one of an epoch has what is left"),
  key("epochs", "100", "times that training goes through the data"),
  key("max_updates", "null", "updates after which training ends, within an epoch too"),
  key("seed", "42", "what every random number of the run comes from"),
  key(
    "data.train.inputs",
    "null",
    "file, or map of model input to file; parts as file.npz#name; or images, or text",
  ),
  key("data.train.images", "null", "folder of pictures, a folder a class (png, jpeg)"),
  key("data.train.text", "null", "text files, with tokenizer, block_size, task, lines, mask"),
  key(
    "data.train.labels",
    "null",
    "file of labels, or folder; needed unless the loss is a model output",
  ),
  key(
    "data.train.transform",
    "null",
    "what is done with each picture: random_resized_crop, resize, center_crop, random_crop, " +
      "horizontal_flip, grey, scale, normalise",
  ),
  key("data.train.on_error", "null", "a picture that cannot be read: stop (default) or skip"),
  key("data.validation", "null", "inputs and labels to measure on; none by default"),
  key("data.shuffle", "true", "a new order of the samples each epoch"),
  key("data.shard", "disjoint", "what each cluster sees: a disjoint share of the samples, or none"),
  key("data.workers", "auto", "threads that make samples ahead; auto: half the cores"),
  key("val_freq", "epoch", "validate after each epoch, or after this number of updates"),
  key("schedule", "async", "async, or synchronous: gpipe, 1f1b, zb (zero bubble)"),
  key("in_flight", "auto", "micro-batches under way at most; auto: as many as stages"),
  key("micro_batches", "auto", "parts of a batch; auto: 1 for async, 4 for the others"),
  key("recompute", "auto", "compute activations again to save memory: auto, on, off"),
  key("update_frequency", "1", "batches whose gradients make one update"),
  key("reduce_every", "epoch", "clusters average after each epoch, N updates, or never"),
  key(
    "reduce_delay",
    "auto",
    "updates that go on while clusters average; 0: they wait; auto: a tenth of reduce_every",
  ),
  key(
    "outer",
    "{type: none}",
    "what clusters make of the mean: none (the mean itself), nesterov {lr: 0.7, momentum: 0.9}, " +
      "or sgd {lr: 1, momentum: 0}, on how far they moved",
  ),
  key("average_optimizer", "false", "average the optimizer's state too; clusters then wait"),
  key(
    "compression.activations",
    "{type: none}",
    "how stages send activations: none, f16, bf16, int8, each with {feedback: false}, or topk " +
      "{share: 0.01, feedback: true}; feedback adds what got lost to the next message",
  ),
  key("compression.gradients", "{type: none}", "how they send gradients back; the same codecs"),
  key("compression.averaging", "{type: none}", "how clusters send what they average; the same"),
  key("labels", "root", "who reads the labels: root (they travel with the batch) or leaf"),
  key("split", "time", "what the stages share equally: time, params, or ravnest's old shares"),
  key("device", "cpu", "cpu, cuda or webgpu"),
  key("threads", "auto", "threads of a provider; auto: twice its share of its host's cores"),
  key("transport", "auto", "auto: unix between peers on one host, else tcp; or one of them"),
  key("timeouts.connect_s", "60", "how long to wait for peers to come up, in seconds"),
  key("timeouts.silence_s", "4", "silence after which a peer counts as lost, in seconds"),
  key("save", "true", "join and write the trained model at the end"),
];

/** Every key of `ravn.yaml` with its default and meaning. */
export function describeDefaults(): readonly ConfigKey[] {
  return CONFIG_KEYS;
}

/** What a key means. @throws {RangeError} for a key that is not listed. */
export function meaningOf(name: string): string {
  const found = CONFIG_KEYS.find(({ key }) => key === name);
  if (found === undefined) throw new RangeError(`no such key of ravn.yaml: ${name}`);
  return found.meaning;
}
