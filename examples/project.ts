/** A folder in which an example runs, by the commands that its user could type. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseEvent } from "../core/run/events.ts";
import { METRICS_FILES } from "../core/run/metrics_files.ts";
import type { EvalReport } from "../core/run/requests.ts";

const MAIN = fileURLToPath(new URL("../cli/main.ts", import.meta.url));

/** Prints a line. */
export function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}

/** Runs a verb as the user would type it; ends this program where it fails. */
export async function ravn(folder: string, ...words: readonly string[]): Promise<void> {
  say(`\n$ ravn ${words.join(" ")}`);
  const status = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", MAIN, ...words],
    cwd: folder,
    stdin: "null",
  }).spawn().status;
  if (!status.success) Deno.exit(status.code || 1);
}

/** Gives the nodes of a fresh project ports that are free now. */
export async function takeFreePorts(folder: string): Promise<void> {
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

/** The joined model on the validation set, from `ravn eval --json`. */
export async function scoreOf(folder: string): Promise<EvalReport> {
  const { stdout, success, code } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", MAIN, "eval", "trained/trained.onnx", "--json"],
    cwd: folder,
    stderr: "inherit",
  }).output();
  if (!success) Deno.exit(code || 1);
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** Updates a second of the last run in the folder, from its metrics. */
export async function speedOf(folder: string): Promise<number> {
  const text = await Deno.readTextFile(join(folder, METRICS_FILES.events));
  for (const line of text.trimEnd().split("\n").reverse()) {
    const event = parseEvent(line);
    if (event?.event === "end") return event.steps_per_s;
  }
  throw new Error(`${METRICS_FILES.events} tells no end of the run`);
}
