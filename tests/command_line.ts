import assert from "node:assert/strict";
import { isAbsolute, join } from "node:path";
import { engine } from "../cli/engine.ts";
import type { Engine } from "../cli/engine.ts";
import { verbs } from "../cli/main.ts";
import { runCommandLine } from "../cli/shell.ts";
import { fakeShell } from "../cli/testing.ts";
import { fuse } from "../core/run/fuse.ts";
import { Runtime } from "../core/runtime/mod.ts";
import { assertOneLine } from "./assertions.ts";
import type { Project } from "./project.ts";
import { RAVN } from "./ravn_process.ts";

// A process has one thread pool; providers in this one take what the first of them asks for.
using _runtime = Runtime.open({ threads: 1 });

/** How a command line in this process ended. */
export interface Answer {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** The engine with paths relative to a project's folder, for a process cannot have two. */
function engineIn(folder: string): Engine {
  const path = (name: string) => isAbsolute(name) ? name : join(folder, name);
  const configured = <T extends { config?: string }>(request: T) => ({
    ...request,
    config: path(request.config ?? "ravn.yaml"),
  });
  return {
    ...engine,
    init: (o) => engine.init({ ...o, folder: path(o.folder) }),
    clusterize: ({ model, ...o }, host) =>
      engine.clusterize({
        ...configured(o),
        nodes: path(o.nodes),
        ...(model === undefined ? {} : { model: path(model) }),
      }, host),
    provide: (o, host) => engine.provide(configured(o), host),
    train: (o, host) => engine.train(configured(o), host),
    fuse: (o) => fuse({ ...o, out: path(o.out) }, folder),
    evaluate: (o) => engine.evaluate({ ...configured(o), model: path(o.model) }),
    inspect: (o) => engine.inspect({ ...o, model: path(o.model) }),
  };
}

/** Runs a command line in this process, as if it had been called in the project's folder. */
export async function answer(project: Project, words: readonly string[]): Promise<Answer> {
  const shell = { ...fakeShell({ engine: engineIn(project.folder) }), command: RAVN };
  const code = await runCommandLine(words, verbs, shell);
  return { code, out: shell.out.text, err: shell.err.text };
}

/**
 * Asserts that a command line is refused as it should be: exit code 2, one line on standard error,
 * nothing on standard output, no file made or changed; a stack with `--verbose` only.
 */
export async function assertRefused(
  project: Project,
  words: readonly string[],
  expected: RegExp,
): Promise<void> {
  const before = await project.snapshot();
  const { code, out, err } = await answer(project, words);
  const line = assertOneLine({ err });
  assert.match(line, expected);
  assert.deepEqual([code, out], [2, ""], err);
  const verbose = await answer(project, [...words, "--verbose"]);
  assert.ok(verbose.err.startsWith(`${line}\n`), verbose.err);
  assert.match(verbose.err, /\n {4}at .*\.ts:\d+/);
  assert.deepEqual(await project.snapshot(), before);
}
