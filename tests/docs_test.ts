/** What README and docs tell a user to type is what the command line takes. */
import assert from "node:assert/strict";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { verbs } from "../cli/main.ts";
import { buildProgram } from "../cli/program.ts";
import { parseConfig } from "../core/run/config.ts";
import { EXAMPLES } from "../examples/list.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

interface Page {
  readonly file: string;
  readonly text: string;
}

/** README, every page of docs, and those of the examples. */
async function pages(): Promise<Page[]> {
  const files = [join(ROOT, "README.md")];
  for await (const { name } of Deno.readDir(join(ROOT, "docs"))) {
    if (name.endsWith(".md")) files.push(join(ROOT, "docs", name));
  }
  files.push(...EXAMPLES.map(({ name }) => join(ROOT, "examples", name, "README.md")));
  return await Promise.all(
    files.sort().map(async (file) => ({ file, text: await Deno.readTextFile(file) })),
  );
}

/** The fenced blocks of a page in one language. */
function blocks({ text }: Page, language: string): string[] {
  const pattern = new RegExp("^```" + language + "\\n(.*?)^```$", "gms");
  return [...text.matchAll(pattern)].map((match) => match[1]!);
}

/** The words of a shell line, without its comment. */
function wordsOf(line: string): string[] {
  const words = line.replace(/\s+#.*$/, "").match(/'[^']*'|"[^"]*"|\S+/g) ?? [];
  return words.map((word) => word.replace(/^(['"])(.*)\1$/, "$2"));
}

/** Parses a command line as `ravn` does, without running it. */
async function parse(words: readonly string[]): Promise<void> {
  const name = words.find((word) => !word.startsWith("-"));
  const verb = await verbs.find((entry) => entry.name === name)?.load();
  assert.ok(verb !== undefined && name !== undefined, `there is no verb "${name}"`);
  const program = buildProgram({
    entries: verbs,
    loaded: new Map([[name, verb]]),
    start: () => Promise.resolve(),
    write: () => {},
    width: 80,
  });
  await program.parseAsync([...words], { from: "user" });
}

Deno.test("every ravn command in README and docs is one that ravn takes", async () => {
  let count = 0;
  for (const page of await pages()) {
    for (const line of blocks(page, "sh").flatMap((block) => block.split("\n"))) {
      const words = wordsOf(line.replace(/ && .*$/, ""));
      if (words[0] !== "ravn" || words[1] === "help" || words.includes("--help")) continue;
      try {
        await parse(words.slice(1));
      } catch (thrown) {
        assert.fail(`${relative(ROOT, page.file)}: ${line}: ${thrown}`);
      }
      count++;
    }
  }
  assert.ok(count >= 7, `only ${count} commands were found`);
});

Deno.test("so are the examples in every verb's help", async () => {
  for (const entry of verbs) {
    const { examples } = await entry.load();
    for (const [command] of examples) {
      const line = command.replace(/^\w+=\S+ /, "").replace(/ [>|] .*$/, "");
      const words = wordsOf(line);
      if (words[0] !== "ravn") continue;
      await parse(words.slice(1)).catch((thrown) => assert.fail(`${command}: ${thrown}`));
    }
  }
});

Deno.test("every ravn.yaml in README and docs is valid", async () => {
  for (const page of await pages()) {
    for (const block of blocks(page, "yaml")) {
      if (block.includes("model:")) parseConfig(block, "ravn.yaml");
    }
  }
});

Deno.test("links between pages lead somewhere", async () => {
  for (const { file, text } of await pages()) {
    for (const [, target] of text.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)) {
      const path = join(dirname(file), target!);
      await Deno.stat(path).catch(() => assert.fail(`${relative(ROOT, file)}: no ${target}`));
    }
  }
});
