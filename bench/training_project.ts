import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { writeNpy } from "../core/data/mod.ts";
import { tensor, writeModel } from "../core/onnx/mod.ts";
import type { Graph, Tensor } from "../core/onnx/mod.ts";
import { Random } from "../core/random.ts";
import { parseEvent } from "../core/run/events.ts";
import { exampleNamed } from "../models/mod.ts";
import { median } from "./interleave.ts";

const MAIN = fileURLToPath(new URL("../cli/main.ts", import.meta.url));

/** Values that are made up for the samples: uniform from 0 to 1, or integers below a bound. */
interface Values {
  /** Of a sample. */
  readonly shape: readonly number[];
  readonly below?: number | undefined;
}

/** A network that is no example, and what it is trained on. */
export interface ProjectNetwork {
  readonly graph: Graph;
  readonly input: Values;
  readonly labels: Values;
  readonly loss: string;
}

/** What is trained in a {@link TrainingProject}. */
export interface ProjectProblem {
  /** An example network of one input and one output, by name, or a network. */
  readonly model: string | ProjectNetwork;
  readonly batch: number;
  /** Made-up training samples. */
  readonly samples: number;
  /** Further keys of `ravn.yaml`, as written. */
  readonly keys?: readonly string[];
}

/** How a training run went, start-up left out. */
export interface TrainingTime {
  readonly updates: number;
  readonly step_ms: number;
  /** Time of an update once code is compiled and caches are warm: the first third is left out. */
  readonly steady_ms: number;
}

/** A folder with a network, made-up data and nodes on free ports, in which ravn's verbs run. */
export class TrainingProject implements AsyncDisposable {
  private constructor(readonly folder: string) {}

  /** @param nodes number of nodes, all on this machine */
  static async make(problem: ProjectProblem, nodes: number): Promise<TrainingProject> {
    const project = new TrainingProject(await Deno.makeTempDir({ prefix: "ravn-bench-" }));
    try {
      await project.#fill(problem, nodes);
      return project;
    } catch (thrown) {
      await project[Symbol.asyncDispose]();
      throw thrown;
    }
  }

  async #fill({ model, batch, samples, keys = [] }: ProjectProblem, nodes: number): Promise<void> {
    await this.ravn("init", ".", ...(typeof model === "string" ? ["--model", model] : []));
    if (typeof model !== "string") {
      await Deno.writeFile(join(this.folder, "model.onnx"), writeModel(model.graph));
    }
    const { input, labels, loss } = typeof model === "string" ? trainedOn(model) : model;
    const random = new Random(1);
    await this.#write("x.npy", drawn(samples, input, random));
    await this.#write("y.npy", drawn(samples, labels, random));
    const config = [
      "model: model.onnx",
      `loss: ${loss}`,
      `batch_size: ${batch}`,
      "data: {train: {inputs: x.npy, labels: y.npy}}",
      "save: false",
      ...keys,
    ];
    await Deno.writeTextFile(join(this.folder, "ravn.yaml"), config.join("\n"));
    const entries = freePorts(nodes).map((port, i) => [
      i,
      { IP: `127.0.0.1:${port}`, benchmarks: { ram: 8, bandwidth: 10_000 } },
    ]);
    const file = join(this.folder, "node_data", "node_configs.json");
    await Deno.writeTextFile(file, JSON.stringify(Object.fromEntries(entries)));
  }

  async #write(name: string, values: Tensor): Promise<void> {
    const bytes = await new Blob([...writeNpy(values)]).bytes();
    await Deno.writeFile(join(this.folder, name), bytes);
  }

  /** Runs a verb in the folder and gives what it printed. */
  async ravn(...verb: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", MAIN, ...verb],
      cwd: this.folder,
    }).output();
    const decoder = new TextDecoder();
    if (code !== 0) throw new Error(`ravn ${verb.join(" ")}: ${decoder.decode(stderr)}`);
    return decoder.decode(stdout);
  }

  /** Trains in real processes, and tells how long an update took on average. */
  async train(...flags: readonly string[]): Promise<TrainingTime> {
    const text = await this.ravn("train", "--json", ...flags);
    const events = text.split("\n").map(parseEvent);
    const end = events.find((event) => event?.event === "end");
    // Each tells the mean over the last seconds.
    const times = events.filter((event) => event?.event === "update")
      .map(({ samples, samples_per_s }) => 1000 * samples / samples_per_s);
    if (end !== undefined && times.length > 0) {
      const steady_ms = median(times.slice(Math.floor(times.length / 3)));
      return { updates: end.updates, step_ms: 1000 / end.steps_per_s, steady_ms };
    }
    throw new Error(`training told no end: ${text.slice(-300)}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.folder, { recursive: true });
  }
}

/** What an example network is trained on: rows where its loss compares rows, else classes. */
function trainedOn(model: string): Omit<ProjectNetwork, "graph"> {
  const { inputs: [input], outputs: [output] } = exampleNamed(model)!;
  const { shape, loss } = output!;
  const labels = loss === "mse" || loss === "bce"
    ? { shape }
    : { shape: shape.slice(0, -1), below: shape.at(-1)! };
  return { input: input!, labels, loss };
}

function drawn(samples: number, { shape, below }: Values, random: Random): Tensor {
  const dims = [samples, ...shape];
  const length = dims.reduce((a, b) => a * b, 1);
  if (below === undefined) {
    return tensor("float32", dims, Float32Array.from({ length }, () => random.uniform()));
  }
  return tensor("int64", dims, Array.from({ length }, () => random.integer(below)));
}

function freePorts(count: number): number[] {
  const listeners = Array.from({ length: count }, () => Deno.listen({ port: 0 }));
  const ports = listeners.map(({ addr }) => addr.port);
  listeners.forEach((listener) => listener.close());
  return ports;
}
