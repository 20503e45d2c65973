import { EXIT, RavnError } from "../core/error.ts";
import { verb } from "./verb.ts";

/** `ravn doctor` */
export const doctor = verb<Record<never, never>>({
  examples: [
    ["ravn doctor", "a line for each check: the library, a training step, a socket"],
    ["ravn doctor --json", "the same for a program to read"],
  ],
  declare: () => {},
  read: () => ({}),
  run: async (_, { engine, terminal }) => {
    const failed: string[] = [];
    for await (const check of engine.doctor()) {
      terminal.event({ event: "check", ...check });
      const verdict = check.ok
        ? terminal.style("green", "ok    ")
        : terminal.style("red", "failed");
      terminal.line(`${verdict}  ${check.name}: ${check.detail}`);
      if (!check.ok) failed.push(check.name);
    }
    if (failed.length === 0) return;
    throw new RavnError(`${failed.join(", ")}: failed`, { exitCode: EXIT.failure });
  },
});
