import { dirname, isAbsolute, join } from "node:path";
import { BYTES, FOLDER_LABELS, readWhole } from "../data/mod.ts";
import { RavnError } from "../error.ts";
import { reduceDelayOf } from "./averaging_schema.ts";
import { ConfigDocument, type Override } from "./config_document.ts";
import { configError } from "./config_error.ts";
import { lossTerms } from "../training/mod.ts";
import { type Config, configJsonSchema, configSchema } from "./config_schema.ts";

export { describeDefaults } from "./config_keys.ts";
export type { ConfigKey } from "./config_keys.ts";
export { configJsonSchema } from "./config_schema.ts";
export type { Config } from "./config_schema.ts";
export type { Override } from "./config_document.ts";

const FILE_BYTES_MAX = 2 ** 20;

type Files = Config["data"]["train"];

/**
 * Reads `ravn.yaml`.
 *
 * @param overrides keys to replace, with their new values as YAML.
 * @throws {RavnError} with file, line and key of the first fault.
 */
export async function readConfig(
  file: string,
  overrides: readonly Override[] = [],
): Promise<Config> {
  const text = new TextDecoder().decode(await readWhole(file, FILE_BYTES_MAX));
  return parseConfig(text, file, overrides);
}

/**
 * The configuration in the text of a `ravn.yaml`, defaults filled in. Paths in it are relative to
 * the folder of `file`, those of the result to the current one.
 *
 * @throws {RavnError} with file, line and key of the first fault.
 */
export function parseConfig(
  text: string,
  file: string,
  overrides: readonly Override[] = [],
): Config {
  const document = new ConfigDocument(text, file, overrides);
  const parsed = configSchema.safeParse(document.data);
  if (!parsed.success) throw configError(parsed.error.issues, document, configJsonSchema());
  checkLabels(parsed.data, document);
  checkSkips(parsed.data, document);
  checkClip(parsed.data, document);
  checkDelay(parsed.data, document);
  return withPaths(parsed.data, dirname(file));
}

/** Micro-batches that a batch is cut into; `auto` is 4 for the synchronous schedules. */
export function microBatchesOf({ micro_batches, schedule }: Config): number {
  if (micro_batches !== "auto") return micro_batches;
  return schedule === "async" ? 1 : 4;
}

function checkClip({ clip, schedule }: Config, document: ConfigDocument): void {
  if (clip === undefined || !("norm" in clip)) return;
  if (clip.scope === "stage" || schedule !== "async") return;
  throw new RavnError(
    `${document.where(["clip"])}: clip: the norm over all stages is not known under schedule ` +
      `async, where each stage updates by itself; expected schedule 1f1b, gpipe or zb, or ` +
      `clip: {norm: ${clip.norm}, scope: stage}, which limits each stage's own norm`,
  );
}

function checkDelay(config: Config, document: ConfigDocument): void {
  const delay = reduceDelayOf(config);
  if (!config.average_optimizer || delay === 0) return;
  throw new RavnError(
    `${document.where(["reduce_delay"])}: reduce_delay: ${delay} does not go with ` +
      `average_optimizer: true, since the optimizer's state has moved on when the mean is there; ` +
      `expected reduce_delay: 0 or auto, or average_optimizer: false`,
  );
}

function checkLabels({ data, loss }: Config, document: ConfigDocument): void {
  const compared = lossTerms(loss).find((term) => term.loss.type !== "output");
  if (compared === undefined) return;
  for (const part of ["train", "validation"] as const) {
    const files = data[part];
    if (files === undefined || files.text !== undefined || files.labels !== undefined) continue;
    throw new RavnError(
      `${document.where(["data", part])}: missing key "data.${part}.labels"; ` +
        `expected a file, since the loss ${compared.loss.type} compares with labels`,
    );
  }
}

/** A picture that is left out takes its label along, which a leaf that reads labels cannot see. */
function checkSkips({ data, labels }: Config, document: ConfigDocument): void {
  for (const part of ["train", "validation"] as const) {
    if (labels !== "leaf" || data[part]?.on_error !== "skip") continue;
    throw new RavnError(
      `${document.where(["data", part, "on_error"])}: data.${part}.on_error: skip does not go ` +
        `with labels: leaf; expected labels: root, or on_error: stop`,
    );
  }
}

function withPaths(config: Config, folder: string): Config {
  const path = (text: string) => isAbsolute(text) ? text : join(folder, text);
  const paths = (files: NonNullable<Files["inputs"]>) =>
    typeof files === "string"
      ? path(files)
      : Object.fromEntries(Object.entries(files).map(([name, text]) => [name, path(text)]));
  const both = (part: Files): Files => {
    const { inputs, labels, images, text, tokenizer } = part;
    const folderLabels = images !== undefined && labels === FOLDER_LABELS;
    return {
      ...part,
      ...(inputs === undefined ? {} : { inputs: paths(inputs) }),
      ...(labels === undefined || folderLabels ? {} : { labels: paths(labels) }),
      ...(images === undefined ? {} : { images: path(images) }),
      ...(text === undefined ? {} : { text: path(text) }),
      ...(tokenizer === undefined || tokenizer === BYTES ? {} : { tokenizer: path(tokenizer) }),
    };
  };
  const { train, validation } = config.data;
  return {
    ...config,
    model: path(config.model),
    data: {
      ...config.data,
      train: both(train),
      ...(validation === undefined ? {} : { validation: both(validation) }),
    },
  };
}
