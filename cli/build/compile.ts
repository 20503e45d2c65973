import { join } from "node:path";
import type { Stage } from "./stage.ts";

/** A download that takes longer is taken for one that never ends. */
const TIMEOUT_MS = 300_000;

/**
 * Makes `target` by `deno compile`, on the base that `DENORT_BIN` names or that deno fetches.
 * Returns nothing on success, or the reason why it could not be made.
 */
export async function compile(stage: Stage, target: string): Promise<string | undefined> {
  const sealed = ["--no-check", "--no-config", "--no-lock", "--no-npm", "--no-remote"];
  const command = new Deno.Command(Deno.execPath(), {
    args: [
      "compile",
      "--quiet",
      "--allow-all",
      ...sealed,
      ...stage.files.filter((file) => file !== stage.main)
        .flatMap((file) => ["--include", join(stage.folder, file)]),
      "--output",
      target,
      join(stage.folder, stage.main),
    ],
    env: { NO_COLOR: "1" },
    stderr: "piped",
    stdout: "null",
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const { success, stderr } = await command.output();
  return success ? undefined : reasonIn(new TextDecoder().decode(stderr));
}

/** The innermost cause in deno's message, else its first line. */
function reasonIn(message: string): string {
  const lines = message.trim().split("\n").map((line) => line.trim()).filter(Boolean);
  const cause = lines.find((line) => /^\d+: error sending request/.test(line));
  return (cause ?? lines[0] ?? "deno compile failed").replace(/^\d+: /, "").slice(0, 200);
}
