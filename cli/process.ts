import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { SUPERVISED } from "../core/run/supervised.ts";
import { engine } from "./engine.ts";
import type { Stream } from "./output.ts";
import type { Shell } from "./shell.ts";

/** This process as the world of a command line. */
export function processShell(): Shell {
  return {
    out: streamOf(Deno.stdout),
    err: streamOf(Deno.stderr),
    environment: (name) => Deno.env.get(name),
    now: () => performance.now(),
    signals: {
      add: (signal, handler) => Deno.addSignalListener(signal, handler),
      remove: (signal, handler) => Deno.removeSignalListener(signal, handler),
      exit: (code) => Deno.exit(code),
    },
    engine,
    command: ownCommand(),
  };
}

/**
 * `deno task` runs in the folder of `deno.json` and names the folder it was called from in
 * `INIT_CWD`: go there, so that paths mean what the user wrote. Only where this file is run from
 * its sources and in their folder, for npm sets that variable too.
 */
export function enterCallersFolder(): void {
  const called = Deno.env.get("INIT_CWD");
  const root = dirname(dirname(fileURLToPath(import.meta.url)));
  if (called && called !== root && Deno.cwd() === root) Deno.chdir(called);
}

/**
 * Under `ravn train` a provider's standard input is a pipe from it, which ends when it is killed:
 * then the provider is asked to stop, like by Ctrl-C.
 */
export async function endWithParent(): Promise<void> {
  if (Deno.env.get(SUPERVISED) !== "1") return;
  const nothing = new Uint8Array(1);
  while (await Deno.stdin.read(nothing).catch(() => null) !== null);
  Deno.kill(Deno.pid, "SIGTERM");
}

/** How to start this program again: a compiled file is itself, anything else is run by deno. */
function ownCommand(): readonly string[] {
  if (Deno.build.standalone) return [Deno.execPath()];
  const main = fileURLToPath(Deno.mainModule);
  const sealed = ["--no-config", "--no-lock", "--no-remote", "--no-npm"];
  return [Deno.execPath(), "run", "-A", "--quiet", ...(main.endsWith(".js") ? sealed : []), main];
}

/** A stream that drops what nobody reads any more, as after `ravn inspect model.onnx | head`. */
function streamOf(file: typeof Deno.stdout | typeof Deno.stderr): Stream {
  const encoder = new TextEncoder();
  const isTerminal = file.isTerminal();
  let open = true;
  return {
    isTerminal,
    columns: () => isTerminal ? Deno.consoleSize().columns : undefined,
    write: (text) => {
      open = open && writeAll(file, encoder.encode(text));
    },
  };
}

/** Writes every byte; false where the reader has gone. */
function writeAll(file: { writeSync(bytes: Uint8Array): number }, bytes: Uint8Array): boolean {
  let rest = bytes;
  while (rest.length > 0) {
    try {
      rest = rest.subarray(file.writeSync(rest));
    } catch (error) {
      if (error instanceof Deno.errors.BrokenPipe) return false;
      if (!(error instanceof Deno.errors.WouldBlock)) throw error;
    }
  }
  return true;
}
