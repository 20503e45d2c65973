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

/** What deno could not download, else the first line of its message. */
function reasonIn(message: string): string {
  const url = /error sending request for url \(([^)]+)\)/.exec(message)?.[1];
  if (url !== undefined) return `cannot download ${url}`;
  return message.trim().split("\n")[0]?.slice(0, 200) || "it failed without a message";
}
