import { join } from "node:path";
import { exists } from "./node_data.ts";

/** The files in which a run's metrics stand, in the folder of `ravn.yaml`. */
export const METRICS_FILES = {
  /** One line an update: its loss. */
  losses: "losses.txt",
  /** One line a validation: the accuracy in percent. */
  accuracies: "val_accuracies.txt",
  /** One JSON object a line for everything. */
  events: "metrics.jsonl",
} as const;

/** Text is written out when so much has gathered, or so much time has passed. */
const PENDING_CHARACTERS_MAX = 64 * 1024;
const FLUSH_EVERY_MS = 250;

type MetricsFile = keyof typeof METRICS_FILES;

/**
 * Appends metrics to their files as a run goes on, a few writes a second at most. Files of an
 * earlier run are kept under a number: `losses.txt` becomes `losses.1.txt`.
 */
export class MetricsFiles implements AsyncDisposable {
  readonly #files: Readonly<Record<MetricsFile, Deno.FsFile>>;
  readonly #pending: Record<MetricsFile, string> = { losses: "", accuracies: "", events: "" };
  readonly #encoder = new TextEncoder();
  readonly #timer: ReturnType<typeof setInterval>;
  #writing: Promise<void> = Promise.resolve();

  private constructor(files: Readonly<Record<MetricsFile, Deno.FsFile>>) {
    this.#files = files;
    this.#timer = setInterval(() => this.#flush(), FLUSH_EVERY_MS);
  }

  /** Makes the files in `folder`, moving those of an earlier run out of the way. */
  static async create(folder: string): Promise<MetricsFiles> {
    const open = async (kind: MetricsFile) => {
      const path = join(folder, METRICS_FILES[kind]);
      await moveAside(path);
      return await Deno.open(path, { createNew: true, write: true });
    };
    return new MetricsFiles({
      losses: await open("losses"),
      accuracies: await open("accuracies"),
      events: await open("events"),
    });
  }

  /** Adds a line to a file. */
  line(file: MetricsFile, text: string): void {
    this.#pending[file] += `${text}\n`;
    if (this.#pending[file].length > PENDING_CHARACTERS_MAX) this.#flush();
  }

  #flush(): void {
    for (const file of Object.keys(this.#files) as MetricsFile[]) {
      const text = this.#pending[file];
      if (text === "") continue;
      this.#pending[file] = "";
      this.#writing = this.#writing.then(() => this.#write(file, text));
    }
  }

  async #write(file: MetricsFile, text: string): Promise<void> {
    const bytes = this.#encoder.encode(text);
    let written = 0;
    while (written < bytes.length) {
      written += await this.#files[file].write(bytes.subarray(written));
    }
  }

  /** Writes what is left and closes the files. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    this.#flush();
    await this.#writing;
    for (const file of Object.values(this.#files)) {
      await file.sync();
      file.close();
    }
  }
}

/** Adds a line to a metrics file that nobody else has open any more. */
export async function appendMetrics(
  folder: string,
  file: MetricsFile,
  text: string,
): Promise<void> {
  await Deno.writeTextFile(join(folder, METRICS_FILES[file]), `${text}\n`, { append: true });
}

/** Renames an existing file `name.ext` to the first free `name.1.ext`, `name.2.ext`, … */
export async function moveAside(path: string): Promise<void> {
  if (!await exists(path)) return;
  const dot = path.lastIndexOf(".");
  for (let i = 1;; i++) {
    const free = `${path.slice(0, dot)}.${i}${path.slice(dot)}`;
    if (await exists(free)) continue;
    await Deno.rename(path, free);
    return;
  }
}
