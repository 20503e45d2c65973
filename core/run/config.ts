import { dirname, isAbsolute, join } from "node:path";
import { readWhole } from "../data/mod.ts";
import { RavnError } from "../error.ts";
import { ConfigDocument, type Override } from "./config_document.ts";
import { configError } from "./config_error.ts";
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
  return withPaths(parsed.data, dirname(file));
}

/** Micro-batches that a batch is cut into; `auto` is 4 for the synchronous schedules. */
export function microBatchesOf({ micro_batches, schedule }: Config): number {
  if (micro_batches !== "auto") return micro_batches;
  return schedule === "async" ? 1 : 4;
}

function checkLabels({ data, loss }: Config, document: ConfigDocument): void {
  if (loss.type === "output") return;
  for (const part of ["train", "validation"] as const) {
    if (data[part] === undefined || data[part].labels !== undefined) continue;
    throw new RavnError(
      `${document.where(["data", part])}: missing key "data.${part}.labels"; ` +
        `expected a file, since the loss ${loss.type} compares with labels`,
    );
  }
}

function withPaths(config: Config, folder: string): Config {
  const path = (text: string) => isAbsolute(text) ? text : join(folder, text);
  const paths = (files: Files["inputs"]) =>
    typeof files === "string"
      ? path(files)
      : Object.fromEntries(Object.entries(files).map(([name, text]) => [name, path(text)]));
  const both = ({ inputs, labels }: Files): Files => ({
    inputs: paths(inputs),
    ...(labels === undefined ? {} : { labels: paths(labels) }),
  });
  const { train, validation, shuffle } = config.data;
  return {
    ...config,
    model: path(config.model),
    data: {
      train: both(train),
      ...(validation === undefined ? {} : { validation: both(validation) }),
      shuffle,
    },
  };
}
