/**
 * The main job from beginning to end, for a newcomer: makes a folder with the digits CNN and its
 * data, plans it for three nodes on this machine, trains it with three processes of which none
 * holds the whole network, joins their parts into one file, and measures that file.
 *
 * `deno task demo [folder]`
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseEvent } from "../core/run/events.ts";
import { METRICS_FILES } from "../core/run/metrics_files.ts";

const MAIN = fileURLToPath(new URL("../cli/main.ts", import.meta.url));
const DIGITS = new URL("../fixtures/digits/", import.meta.url);
const DATA = ["x_train.npy", "y_train.npy", "x_val.npy", "y_val.npy"];

function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}

/** Runs a verb as the user would type it; ends the demo where it fails. */
async function ravn(folder: string, ...words: readonly string[]): Promise<void> {
  say(`\n$ ravn ${words.join(" ")}`);
  const status = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", MAIN, ...words],
    cwd: folder,
    stdin: "null",
  }).spawn().status;
  if (!status.success) Deno.exit(status.code || 1);
}

/** Accuracy and loss of the joined model, from `ravn eval --json`. */
async function scoreOf(folder: string): Promise<{ accuracy: number; loss: number }> {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", MAIN, "eval", "trained/trained.onnx", "--json"],
    cwd: folder,
  }).output();
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** How fast the last run was, from its metrics. */
async function endOf(folder: string): Promise<{ steps_per_s: number }> {
  const text = await Deno.readTextFile(join(folder, METRICS_FILES.events));
  for (const line of text.trimEnd().split("\n").reverse()) {
    const event = parseEvent(line);
    if (event?.event === "end") return event;
  }
  throw new Error(`${METRICS_FILES.events} tells no end of the run`);
}

/** Gives the nodes of a fresh project ports that are free now. */
async function takeFreePorts(folder: string): Promise<void> {
  const file = join(folder, "node_data", "node_configs.json");
  const nodes: Record<string, { IP: string }> = JSON.parse(await Deno.readTextFile(file));
  const listeners = Object.values(nodes).map((node) => {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    node.IP = `127.0.0.1:${listener.addr.port}`;
    return listener;
  });
  listeners.forEach((listener) => listener.close());
  await Deno.writeTextFile(file, `${JSON.stringify(nodes, null, 2)}\n`);
}

async function main(): Promise<void> {
  const start_ms = performance.now();
  const folder = Deno.args[0] ?? await Deno.makeTempDir({ prefix: "ravn-demo-" });
  say(`demo: three processes train the digits CNN in ${folder}`);
  await ravn(folder, "init", ".", "--model", "digits_cnn");
  for (const file of DATA) await Deno.copyFile(new URL(file, DIGITS), join(folder, file));
  await takeFreePorts(folder);
  await ravn(folder, "clusterize", "model.onnx");
  await ravn(folder, "train");
  const { accuracy, loss } = await scoreOf(folder);
  const { steps_per_s } = await endOf(folder);
  const wall_s = (performance.now() - start_ms) / 1000;
  say(`\ntrained model: ${join(folder, "trained", "trained.onnx")}`);
  say(
    `demo: accuracy=${(accuracy / 100).toFixed(4)} loss=${loss.toFixed(4)} ` +
      `steps_per_s=${steps_per_s.toFixed(1)} wall_s=${wall_s.toFixed(1)}`,
  );
}

if (import.meta.main) await main();
