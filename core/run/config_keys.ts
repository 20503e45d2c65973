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
    "mse, cross_entropy {label_smoothing: 0, ignore_index}, nll {ignore_index}, bce_with_logits, " +
      "or {output: name of a model output}",
  ),
  key(
    "optimizer",
    "{type: adam, lr: 0.001, betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0}",
    "adam, adamw {weight_decay: 0.01}, " +
      "or sgd {lr: 0.001, momentum: 0, dampening: 0, nesterov: false, weight_decay: 0}",
  ),
  key(
    "lr_schedule",
    "{type: constant}",
    "constant, step {step_size, gamma: 0.1}, exponential {gamma}, cosine {t_max, eta_min: 0}, " +
      "each per: epoch; linear_warmup {warmup, start_factor: 0, then: another} per: update",
  ),
  key("batch_size", "64", "samples of a batch; the last one of an epoch has what is left"),
  key("epochs", "100", "times that training goes through the data"),
  key("seed", "42", "what every random number of the run comes from"),
  key(
    "data.train.inputs",
    undefined,
    "file, or map of model input to file; parts as file.npz#name",
  ),
  key("data.train.labels", "null", "file of labels; needed unless the loss is a model output"),
  key("data.validation", "null", "inputs and labels to measure on; none by default"),
  key("data.shuffle", "true", "a new order of the samples each epoch"),
  key("val_freq", "epoch", "validate after each epoch, or after this number of updates"),
  key("schedule", "async", "async, or synchronous: gpipe, 1f1b"),
  key("in_flight", "auto", "micro-batches under way at most; auto: as many as stages"),
  key("micro_batches", "auto", "parts of a batch; auto: 4 for gpipe and 1f1b, 1 for async"),
  key("recompute", "auto", "compute activations again to save memory: auto, on, off"),
  key("update_frequency", "1", "batches whose gradients make one update"),
  key("labels", "root", "who reads the labels: root (they travel with the batch) or leaf"),
  key("split", "time", "what the stages share equally: time, params, or ravnest's old shares"),
  key("device", "cpu", "cpu, cuda or webgpu"),
  key("threads", "auto", "threads of a provider; auto: twice its share of the cores of its host"),
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
