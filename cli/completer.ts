import { type RootCommand, script, ShellCompDirective } from "@bomb.sh/tab";
import tab from "@bomb.sh/tab/commander";
import type { ShellName } from "./completions.ts";
import { buildProgram } from "./program.ts";
import type { AnyVerb, VerbEntry } from "./verb.ts";

/** Prints the script for a shell, which calls `ravn complete -- …` for what could come next. */
export function printScript(shell: ShellName, write: (text: string) => void): void {
  script(shell, "ravn", "ravn");
  // The script's own registration leaves bash without file names.
  if (shell === "bash") write("complete -o default -F __ravn_complete ravn\n");
}

/** Prints what could stand at the place of the last of `words`, for the shell's script. */
export async function answer(entries: readonly VerbEntry[], words: string[]): Promise<void> {
  const described = entries.filter((entry) => entry.name !== "completions");
  const loaded = new Map<string, AnyVerb>();
  for (const entry of described) loaded.set(entry.name, await entry.load());
  const program = buildProgram({
    entries: described,
    loaded,
    start: () => Promise.resolve(),
    write: () => {},
    width: 80,
  });
  const root = tab(program, { completionCommandName: "completions" });
  offerFiles(root);
  root.parse(words);
}

/** Where nothing is offered the shell completes file names. */
function offerFiles(root: RootCommand): void {
  Object.defineProperty(root, "directive", {
    get: () =>
      root.completions.length === 0
        ? ShellCompDirective.ShellCompDirectiveDefault
        : ShellCompDirective.ShellCompDirectiveNoFileComp,
    set: () => {},
  });
}
