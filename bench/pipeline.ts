/**
 * Training throughput of three providers on this machine against one process that has the same
 * cores. The argument names the bench.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { writeNpy } from "../core/data/mod.ts";
import { tensor } from "../core/onnx/mod.ts";
import { Random } from "../core/random.ts";
import { parseEvent } from "../core/run/events.ts";
import { interleave, report } from "./interleave.ts";

const ROUNDS = 5;
const CLASSES = 10;
const PROVIDERS = 3;

interface Problem {
  readonly model: string;
  /** Shape of a sample. */
  readonly input: readonly number[];
  readonly batch: number;
  readonly samples: number;
  readonly epochs: number;
}

const PROBLEMS: Readonly<Record<string, Problem>> = {
  "pipeline/digits_cnn": {
    model: "digits_cnn",
    input: [1, 8, 8],
    batch: 64,
    samples: 1078,
    epochs: 40,
  },
  "pipeline/mlp": { model: "mlp", input: [784], batch: 128, samples: 2560, epochs: 10 },
};

const MAIN = fileURLToPath(new URL("../cli/main.ts", import.meta.url));

/** Runs a verb in `folder` and gives what it printed. */
async function ravn(folder: string, ...verb: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", MAIN, ...verb],
    cwd: folder,
  }).output();
  const decoder = new TextDecoder();
  if (code !== 0) throw new Error(`ravn ${verb.join(" ")}: ${decoder.decode(stderr)}`);
  return decoder.decode(stdout);
}

async function writeProject(folder: string, problem: Problem): Promise<void> {
  const { model, input, batch, samples, epochs } = problem;
  await ravn(folder, "init", ".", "--model", model);
  const random = new Random(1);
  const count = samples * input.reduce((a, b) => a * b, 1);
  const x = tensor(
    "float32",
    [samples, ...input],
    Float32Array.from({ length: count }, () => {
      return random.uniform();
    }),
  );
  const classes = Array.from({ length: samples }, () => random.integer(CLASSES));
  await Deno.writeFile(join(folder, "x.npy"), await bytesOf(writeNpy(x)));
  const y = tensor("int64", [samples], classes);
  await Deno.writeFile(join(folder, "y.npy"), await bytesOf(writeNpy(y)));
  const config = [
    "model: model.onnx",
    `loss: ${model === "digits_cnn" ? "mse" : "cross_entropy"}`,
    `batch_size: ${batch}`,
    `epochs: ${epochs}`,
    "data: {train: {inputs: x.npy, labels: y.npy}}",
    "save: false",
  ];
  await Deno.writeTextFile(join(folder, "ravn.yaml"), config.join("\n"));
  const ports = freePorts(PROVIDERS);
  const nodes = ports.map((port, i) => [
    i,
    { IP: `127.0.0.1:${port}`, benchmarks: { ram: 8, bandwidth: 1000 } },
  ]);
  const file = join(folder, "node_data", "node_configs.json");
  await Deno.writeTextFile(file, JSON.stringify(Object.fromEntries(nodes)));
  await ravn(folder, "clusterize", "model.onnx");
}

function bytesOf(parts: readonly Uint8Array<ArrayBuffer>[]): Promise<Uint8Array> {
  return new Blob([...parts]).bytes();
}

function freePorts(count: number): number[] {
  const listeners = Array.from({ length: count }, () => Deno.listen({ port: 0 }));
  const ports = listeners.map(({ addr }) => addr.port);
  listeners.forEach((listener) => listener.close());
  return ports;
}

/** Samples a second of one training run, start-up left out. */
async function throughput(folder: string, problem: Problem, ...flags: string[]): Promise<number> {
  const text = await ravn(folder, "train", "--json", ...flags);
  for (const line of text.split("\n")) {
    const event = parseEvent(line);
    if (event?.event === "end") return problem.samples * problem.epochs / event.wall_s;
  }
  throw new Error(`training told no end: ${text.slice(-300)}`);
}

async function main(bench: string): Promise<void> {
  const problem = PROBLEMS[bench];
  if (problem === undefined) throw new Error(`no bench "${bench}" here`);
  const folder = await Deno.makeTempDir({ prefix: "ravn-bench-" });
  try {
    await writeProject(folder, problem);
    const found = await interleave(
      () => throughput(folder, problem),
      () => throughput(folder, problem, "--single"),
      { rounds: ROUNDS, warmup: 1 },
    );
    report({ bench, ...found, peer_name: "one process", unit: "samples/s" });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

if (import.meta.main) await main(Deno.args[0] ?? "pipeline/digits_cnn");
