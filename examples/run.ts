/**
 * Runs an example from nothing to a trained model: makes a folder with its `ravn.yaml`, network and
 * data, plans it for three nodes of this machine, trains with a process for each, joins their parts
 * and measures the whole. Prints every command of ravn that it runs.
 *
 * `deno task example <name> [folder] [--standin] [--steps <updates>] [--data <folder>]`
 */
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { scoreText } from "../cli/score.ts";
import { enterCallersFolder } from "../cli/process.ts";
import { messageOf, RavnError } from "../core/error.ts";
import { METRICS_FILES } from "../core/run/metrics_files.ts";
import { type Example, EXAMPLES, type Fetched } from "./list.ts";
import { ravn, say, scoreOf, speedOf, takeFreePorts } from "./project.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const USAGE = "deno task example <name> [folder] [--standin] [--steps <updates>] [--data <folder>]";

/** What the command line asks for. */
interface Request {
  readonly example: Example;
  /** Where the example runs; must not be there, or be empty. */
  readonly folder: string;
  /** Made-up data in the place of what the user would have to fetch. */
  readonly standIn: boolean;
  /** Updates after which training ends. */
  readonly steps: number | undefined;
  /** Folder that has the data; absent: they are in `folder`. */
  readonly data: string | undefined;
}

function parse(words: string[]) {
  try {
    return parseArgs({
      args: words,
      allowPositionals: true,
      options: {
        standin: { type: "boolean", default: false },
        steps: { type: "string" },
        data: { type: "string" },
      },
    });
  } catch (thrown) {
    throw new RavnError(`${messageOf(thrown).split(".")[0]}; expected ${USAGE}`);
  }
}

/** @throws {RavnError} where the words say nothing that can be run */
function requestOf(words: string[]): Request {
  const { values, positionals } = parse(words);
  const [name, folder, ...rest] = positionals;
  const example = EXAMPLES.find((candidate) => candidate.name === name);
  if (example === undefined || rest.length > 0) {
    const names = EXAMPLES.map((known) => known.name).join(", ");
    throw new RavnError(`expected ${USAGE}; examples are ${names}`);
  }
  const { steps, standin, data } = values;
  if (steps !== undefined && !/^[1-9]\d*$/.test(steps)) {
    throw new RavnError(`--steps: expected a whole number of at least 1, got "${steps}"`);
  }
  return {
    example,
    folder: resolve(folder ?? `example_${example.name}`),
    standIn: standin && example.data.from === "user",
    steps: steps === undefined ? undefined : Number(steps),
    data: data === undefined ? undefined : resolve(data),
  };
}

async function isThere(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

/** @throws {RavnError} where the data that the user has to fetch are not there */
async function findFetched(
  { what, address, paths }: Fetched,
  { example, folder, data }: Request,
): Promise<void> {
  for (const path of paths) {
    if (await isThere(join(data ?? folder, path))) continue;
    throw new RavnError(
      `there is no ${join(data ?? folder, path)}; fetch ${what} from ${address}, unpack it and ` +
        `name its folder with --data, or try "deno task example ${example.name} --standin"`,
    );
  }
}

/** Makes the data appear where `ravn.yaml` looks for them. */
async function linkFetched({ paths }: Fetched, { folder, data }: Request): Promise<void> {
  const place = data ?? folder;
  if (place === folder) return;
  for (const entry of new Set(paths.map((path) => path.split("/")[0]!))) {
    say(`$ ln -s ${join(place, entry)} ${entry}`);
    await Deno.symlink(join(place, entry), join(folder, entry));
  }
}

/** Brings the example's data into its folder. */
async function provideData(request: Request): Promise<void> {
  const { example: { data }, folder, standIn } = request;
  switch (data.from) {
    case "repository":
      for (const file of data.files) {
        say(`$ cp ${join(data.folder, file)} .`);
        await Deno.copyFile(join(ROOT, data.folder, file), join(folder, file));
      }
      return;
    case "make":
      return await ravn(folder, "data", "make", ...data.words);
    case "user":
      if (standIn) return await ravn(folder, "data", "make", ...data.standIn.make);
      await linkFetched(data.fetched, request);
      return await ravn(folder, ...data.fetched.check);
  }
}

/** Mean of the first and of the last tenth of the losses, one of each at least. */
async function lossesOf(folder: string): Promise<{ first: number; last: number }> {
  const text = await Deno.readTextFile(join(folder, METRICS_FILES.losses));
  const losses = text.trimEnd().split("\n").map(Number);
  const count = Math.ceil(losses.length / 10);
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b) / values.length;
  return { first: mean(losses.slice(0, count)), last: mean(losses.slice(-count)) };
}

/** Runs the example to its end and says in one line what came of it. */
async function run(request: Request): Promise<void> {
  const { example, folder, standIn, steps } = request;
  const { name, data } = example;
  const start_ms = performance.now();
  if (data.from === "user" && !standIn) await findFetched(data.fetched, request);
  if (await isThere(join(folder, "ravn.yaml"))) {
    throw new RavnError(`${folder} has a ravn.yaml already; name another folder: ${USAGE}`);
  }
  await Deno.mkdir(folder, { recursive: true });
  say(`example ${name} in ${folder}`);
  const model = standIn && data.from === "user" ? data.standIn.model : example.model;
  await ravn(folder, "init", ".", "--model", model);
  const config = standIn ? "standin.yaml" : "ravn.yaml";
  const nodes = join("node_data", "node_configs.json");
  for (const [from, to] of [[config, "ravn.yaml"], [nodes, nodes]] as const) {
    say(`$ cp ${join("examples", name, from)} ${to}`);
    await Deno.copyFile(join(ROOT, "examples", name, from), join(folder, to));
  }
  await takeFreePorts(folder);
  await provideData(request);
  await ravn(folder, "clusterize", "model.onnx");
  await ravn(folder, "train", ...(steps === undefined ? [] : ["--set", `max_updates=${steps}`]));
  const score = await scoreOf(folder);
  const { first, last } = await lossesOf(folder);
  const wall_s = (performance.now() - start_ms) / 1000;
  say(`\ntrained model: ${join(folder, "trained", "trained.onnx")}`);
  say(
    `${name}: training loss ${first.toFixed(4)} to ${last.toFixed(4)}; on validation data ` +
      `${scoreText(score)}; steps_per_s=${(await speedOf(folder)).toFixed(1)} ` +
      `wall_s=${wall_s.toFixed(1)}`,
  );
}

async function main(): Promise<void> {
  enterCallersFolder();
  try {
    await run(requestOf(Deno.args));
  } catch (thrown) {
    if (!(thrown instanceof RavnError)) throw thrown;
    Deno.stderr.writeSync(new TextEncoder().encode(`ravn: ${thrown.message}\n`));
    Deno.exit(thrown.exitCode);
  }
}

if (import.meta.main) await main();
