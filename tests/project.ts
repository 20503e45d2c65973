import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { RavnProcess } from "./ravn_process.ts";
import type { Ending, ProcessOptions } from "./ravn_process.ts";

const DIGITS = fileURLToPath(new URL("../fixtures/digits/", import.meta.url));

const DIGITS_FILES = ["x_train", "x_val", "y_train", "y_val", "y_train_index", "y_val_index"];

/** Keys of `ravn.yaml` and their values. */
export type Configuration = Readonly<Record<string, unknown>>;

/** The configuration of Ravnest's walkthrough. */
export const WALKTHROUGH: Configuration = {
  model: "model.onnx",
  loss: "mse",
  optimizer: { type: "adam", lr: 0.001 },
  batch_size: 64,
  epochs: 100,
  seed: 42,
  data: {
    train: { inputs: "x_train.npy", labels: "y_train.npy" },
    validation: { inputs: "x_val.npy", labels: "y_val.npy" },
  },
};

/** A node of `node_configs.json`. */
export interface NodeOptions {
  readonly ram: number;
  readonly bandwidth: number;
}

/** What a project is made of; each part may be left out. */
export interface ProjectOptions {
  /** Example network that `ravn init` writes. */
  readonly model?: string;
  /** Keys to replace in the walkthrough's configuration. */
  readonly configuration?: Configuration;
  /** Number of nodes, each on a free port of this host. */
  readonly nodes?: number;
}

/**
 * A folder in which ravn is used as its users use it: `ravn init`, the digits, nodes on free ports.
 * Disposing of it ends what still runs in it, and removes it.
 */
export class Project implements AsyncDisposable {
  readonly #processes: RavnProcess[] = [];

  private constructor(readonly folder: string, readonly ports: readonly number[]) {}

  /**
   * Makes the folder, ready for `clusterize`.
   *
   * @param prepare what else is to be done in it; nothing is left of the project if that fails
   */
  static async make(
    options: ProjectOptions = {},
    prepare: (project: Project) => Promise<unknown> = () => Promise.resolve(),
  ): Promise<Project> {
    const folder = await Deno.makeTempDir({ prefix: "ravn-project-" });
    const project = new Project(folder, freePorts(options.nodes ?? 3));
    try {
      await project.#fill(options);
      await prepare(project);
      return project;
    } catch (thrown) {
      await project[Symbol.asyncDispose]();
      throw thrown;
    }
  }

  async #fill({ model, configuration }: ProjectOptions): Promise<void> {
    await this.succeed("init", ".", "--model", model ?? "digits_cnn");
    await this.configure(configuration ?? {});
    await this.writeNodes();
    for (const name of DIGITS_FILES) {
      await Deno.copyFile(join(DIGITS, `${name}.npy`), this.path(`${name}.npy`));
    }
  }

  /** A path in the folder. */
  path(...names: string[]): string {
    return join(this.folder, ...names);
  }

  /** Writes `ravn.yaml`: the walkthrough's, with other values for some keys. */
  async configure(changes: Configuration): Promise<void> {
    const lines = Object.entries({ ...WALKTHROUGH, ...changes })
      .map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`);
    await this.write("ravn.yaml", lines.join(""));
  }

  /** Writes `node_configs.json` with the folder's ports. */
  async writeNodes({ ram, bandwidth }: NodeOptions = { ram: 8, bandwidth: 10 }): Promise<void> {
    const nodes = this.ports.map((port, node) => [
      String(node),
      { IP: `127.0.0.1:${port}`, benchmarks: { ram, bandwidth } },
    ]);
    await this.write("node_data/node_configs.json", JSON.stringify(Object.fromEntries(nodes)));
  }

  /** Writes a file, whose own folder must exist. */
  async write(file: string, content: string | Uint8Array): Promise<void> {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    await Deno.writeFile(this.path(file), bytes);
  }

  /** A file's text. */
  read(file: string): Promise<string> {
    return Deno.readTextFile(this.path(file));
  }

  /** A file's lines, of which each must have ended. */
  async lines(file: string): Promise<string[]> {
    const text = await this.read(file);
    assert.ok(text === "" || text.endsWith("\n"), `${file} ends in the middle of a line`);
    return text.split("\n").slice(0, -1);
  }

  /** The numbers of a file that has one a line. */
  async numbers(file: string): Promise<number[]> {
    return (await this.lines(file)).map(Number);
  }

  /** All files below a folder, sorted. */
  async files(folder = "."): Promise<string[]> {
    const found: string[] = [];
    for await (const entry of Deno.readDir(this.path(folder))) {
      const name = join(folder, entry.name);
      if (entry.isDirectory) found.push(...await this.files(name));
      else found.push(name);
    }
    return found.sort();
  }

  /** Everything in the folder, as one value that changes when anything there changes. */
  async snapshot(): Promise<ReadonlyMap<string, string>> {
    const files = new Map<string, string>();
    for (const name of await this.files()) {
      const bytes = await Deno.readFile(this.path(name));
      const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
      files.set(name, `${bytes.length} bytes, ${digest.toHex().slice(0, 16)}`);
    }
    return files;
  }

  /** Starts a command line of ravn in the folder. */
  start(words: readonly string[], options: Omit<ProcessOptions, "folder"> = {}): RavnProcess {
    const started = new RavnProcess(words, { folder: this.folder, ...options });
    this.#processes.push(started);
    return started;
  }

  /** Starts the provider of a node, with more words for the command line. */
  provide(
    node: number,
    words: readonly string[] = [],
    environment: Readonly<Record<string, string>> = {},
  ): RavnProcess {
    return this.start(["provide", "--name", `node_${node}`, ...words], { environment });
  }

  /** Runs a command line to its end. */
  run(...words: string[]): Promise<Ending> {
    return this.start(words).ended;
  }

  /** Runs a command line that must succeed, and returns what it printed. */
  async succeed(...words: string[]): Promise<string> {
    const { code, out, err } = await this.run(...words);
    assert.equal(code, 0, `ravn ${words.join(" ")} ended with ${code}\n${out}${err}`);
    return out;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#processes.map((process) => process.stop()));
    await Deno.remove(this.folder, { recursive: true });
  }
}

/** Ports of this host that nobody listens on at this moment. */
export function freePorts(count: number): number[] {
  const listeners = Array.from(
    { length: count },
    () => Deno.listen({ hostname: "127.0.0.1", port: 0 }),
  );
  const ports = listeners.map((listener) => listener.addr.port);
  for (const listener of listeners) listener.close();
  return ports;
}
