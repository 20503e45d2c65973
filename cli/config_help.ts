import type { ConfigKey } from "../core/run/config_keys.ts";

const INDENT = " ".repeat(6);

/** The keys of `ravn.yaml` with their defaults and meanings, in lines of at most `width`. */
export function configHelp(keys: readonly ConfigKey[], width: number): string {
  const entries = keys.map(({ key, default: standard, meaning }) =>
    `  ${key}: ${standard ?? "(must be given)"}\n${wrapped(meaning, width)}\n`
  );
  return `Keys of ravn.yaml, with their defaults:\n${entries.join("")}`;
}

/** Text broken at blanks into indented lines of at most `width` characters. */
function wrapped(text: string, width: number): string {
  const lines: string[] = [];
  let line = INDENT;
  for (const word of text.split(" ")) {
    if (line.length + word.length > width && line !== INDENT) {
      lines.push(line.trimEnd());
      line = INDENT;
    }
    line += `${word} `;
  }
  return [...lines, line.trimEnd()].join("\n");
}
