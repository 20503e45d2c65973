import { join } from "node:path";
import { exists } from "./node_data.ts";

/** The files in which a run's metrics stand. */
export const METRICS_FILES = {
  /** One line an update: its loss. Only the last stage has this. */
  losses: "losses.txt",
  /** One line a validation: the accuracy in percent. Only the last stage has this. */
  accuracies: "val_accuracies.txt",
  /** One JSON object a line for each event that is kept. */
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
  readonly #files: Readonly<Partial<Record<MetricsFile, Deno.FsFile>>>;
  readonly #pending: Record<MetricsFile, string> = { losses: "", accuracies: "", events: "" };
  readonly #encoder = new TextEncoder();
  readonly #timer: ReturnType<typeof setInterval>;
  #writing: Promise<void> = Promise.resolve();

  private constructor(files: Readonly<Partial<Record<MetricsFile, Deno.FsFile>>>) {
    this.#files = files;
    this.#timer = setInterval(() => this.#flush(), FLUSH_EVERY_MS);
  }

  /** Makes files in `folder`, moving those of an earlier run out of the way. */
  static async create(
    folder: string,
    kinds: readonly MetricsFile[] = ["losses", "accuracies", "events"],
  ): Promise<MetricsFiles> {
    const open = async (kind: MetricsFile) => {
      const path = join(folder, METRICS_FILES[kind]);
      await moveAside(path);
      return await Deno.open(path, { createNew: true, write: true });
    };
    const files: Partial<Record<MetricsFile, Deno.FsFile>> = {};
    for (const kind of kinds) files[kind] = await open(kind);
    return new MetricsFiles(files);
  }

  /** Adds a line to a file. */
  line(file: MetricsFile, text: string): void {
    this.#pending[file] += `${text}\n`;
    if (this.#pending[file].length > PENDING_CHARACTERS_MAX) this.#flush();
  }

  #flush(): void {
    for (const [name, opened] of Object.entries(this.#files)) {
      const file = name as MetricsFile;
      const text = this.#pending[file];
      if (text === "") continue;
      this.#pending[file] = "";
      this.#writing = this.#writing.then(() => this.#write(opened, text));
    }
  }

  async #write(file: Deno.FsFile, text: string): Promise<void> {
    const bytes = this.#encoder.encode(text);
    let written = 0;
    while (written < bytes.length) {
      written += await file.write(bytes.subarray(written));
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
