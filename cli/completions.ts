import { Argument } from "commander";
import { verb } from "./verb.ts";

/** Shells that ravn completes in. */
export const SHELLS = ["bash", "zsh", "fish", "powershell"] as const;
/** One of {@link SHELLS}. */
export type ShellName = typeof SHELLS[number];

/** `ravn completions <shell>` */
export const completions = verb<{ readonly shell: ShellName }>({
  examples: [
    ["source <(ravn completions bash)", "in ~/.bashrc"],
    ["source <(ravn completions zsh)", "in ~/.zshrc"],
    ["ravn completions fish | source", "in ~/.config/fish/config.fish"],
  ],
  declare: (command) => command.addArgument(new Argument("<shell>", "your shell").choices(SHELLS)),
  read: (command) => {
    const [shell] = command.processedArgs as [ShellName];
    return { shell };
  },
  run: async ({ shell }, { terminal }) => {
    const { printScript } = await import("./completer.ts");
    printScript(shell, (text) => terminal.out.write(text));
  },
});
