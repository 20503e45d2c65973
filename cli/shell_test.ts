import assert from "node:assert/strict";
import { EXIT, RavnError } from "../core/error.ts";
import { checks, fakeEngine, fakeShell, PLAN } from "./testing.ts";
import { verbs } from "./main.ts";
import { runCommandLine } from "./shell.ts";

Deno.test("nothing, --help and help show every verb and leave with 0", async () => {
  for (const words of [[], ["--help"], ["-h"], ["help"], ["--json"]]) {
    const shell = fakeShell();
    assert.equal(await runCommandLine(words, verbs, shell), EXIT.ok);
    for (const verb of verbs) assert.match(shell.out.text, new RegExp(`^ +${verb.name} `, "m"));
    assert.equal(shell.err.text, "");
  }
});

Deno.test("every verb's --help has its options, the global ones, and examples", async () => {
  for (const { name, summary } of verbs) {
    const shell = fakeShell();
    assert.equal(await runCommandLine([name, "--help"], verbs, shell), EXIT.ok);
    assert.match(shell.out.text, new RegExp(`^Usage: ravn ${name}`));
    for (const part of [summary, "--verbose", "Examples:"]) {
      assert.ok(shell.out.text.includes(part), `${name}: ${part}`);
    }
  }
});

Deno.test("help of a verb, of the configuration, and of train with the configuration", async () => {
  const fuse = fakeShell();
  assert.equal(await runCommandLine(["help", "fuse"], verbs, fuse), EXIT.ok);
  assert.match(fuse.out.text, /^Usage: ravn fuse/);
  const config = fakeShell();
  assert.equal(await runCommandLine(["help", "config"], verbs, config), EXIT.ok);
  assert.match(config.out.text, /^ {2}epochs: 100\n {6}times$/m);
  const train = fakeShell();
  await runCommandLine(["train", "--help"], verbs, train);
  assert.match(train.out.text, /^ {2}epochs: 100$/m);
});

Deno.test("a mistake on the command line is one line with a way on, and exit code 2", async () => {
  const cases: [words: string[], message: RegExp][] = [
    [["trian"], /^ravn: unknown verb 'trian'; did you mean train\?\n$/],
    [["help", "trian"], /^ravn: unknown verb 'trian'; did you mean train\?\n$/],
    [["zzz"], /^ravn: unknown verb 'zzz'; see 'ravn --help'\n$/],
    [["train", "--treads", "2"], /^ravn: unknown option '--treads'; did you mean --threads\?\n$/],
    [["--bogus"], /^ravn: unknown option '--bogus'; see 'ravn --help'\n$/],
    [["fuse"], /^ravn: missing required argument 'cluster'; see 'ravn fuse --help'\n$/],
    [["fuse", "x"], /^ravn: 'x' is invalid for argument 'cluster': expected a whole number/],
    [["provide"], /^ravn: required option '--name <node>' not specified; see/],
    [["train", "it"], /^ravn: too many arguments for 'train': expected 0 arguments but got 1: it;/],
    [["train", "--set", "x"], /key=value, as in optimizer\.lr=0\.01; see 'ravn train --help'\n$/],
  ];
  for (const [words, message] of cases) {
    const shell = fakeShell();
    assert.equal(await runCommandLine(words, verbs, shell), EXIT.usage, words.join(" "));
    assert.match(shell.err.text, message);
    assert.equal(shell.out.text, "");
  }
});

Deno.test("a verb's error ends with its exit code", async () => {
  const lost = new RavnError("lost node_1 at 10.0.0.2:8081", { exitCode: EXIT.failure });
  const shell = fakeShell({ engine: fakeEngine({ train: () => Promise.reject(lost) }) });
  assert.equal(await runCommandLine(["train"], verbs, shell), EXIT.failure);
  assert.equal(shell.err.text, "ravn: lost node_1 at 10.0.0.2:8081\n");
  assert.equal(shell.signals.listening, 0);
});

Deno.test("Ctrl-C stops the verb and leads to 130, whether it returns or throws", async () => {
  const stopped = new RavnError("stopped", { exitCode: EXIT.interrupted });
  const endings: ((signal: AbortSignal) => void)[] = [
    () => {},
    (signal) => signal.throwIfAborted(),
    () => {
      throw stopped;
    },
  ];
  for (const end of endings) {
    const shell = fakeShell({
      engine: fakeEngine({
        provide: (_, { signal }) => {
          shell.signals.raise("SIGINT");
          end(signal);
          return Promise.resolve();
        },
      }),
    });
    const code = await runCommandLine(["provide", "--name", "node_0"], verbs, shell);
    assert.equal(code, EXIT.interrupted);
    assert.match(shell.err.text, /^ravn: warning: stopping; [^\n]+\n$/);
  }
});

Deno.test("what goes wrong while stopping is told", async () => {
  const shell = fakeShell({
    engine: fakeEngine({
      train: () => {
        shell.signals.raise("SIGTERM");
        return Promise.reject(new RavnError("the disk is full"));
      },
    }),
  });
  assert.equal(await runCommandLine(["train"], verbs, shell), EXIT.interrupted);
  assert.match(shell.err.text, /\nravn: warning: the disk is full\n$/);
});

Deno.test("global options may stand before or after the verb", async () => {
  const event = { event: "log", message: "x" } as const;
  for (const words of [["--json", "train"], ["train", "--json"]]) {
    const shell = fakeShell({
      engine: fakeEngine({
        train: (_, host) => {
          host.emit(event);
          return Promise.resolve({ trained: [] });
        },
      }),
    });
    assert.equal(await runCommandLine(words, verbs, shell), EXIT.ok);
    assert.equal(shell.out.text, `${JSON.stringify(event)}\n{"event":"trained","trained":[]}\n`);
  }
});

Deno.test("clusterize prints a block a node, the table of stages, and how to go on", async () => {
  const engine = fakeEngine({ clusterize: () => Promise.resolve(PLAN) });
  const people = fakeShell({ engine });
  assert.equal(await runCommandLine(["clusterize", "model.onnx"], verbs, people), EXIT.ok);
  assert.ok(people.out.text.startsWith(`${PLAN.log}\n\n\n${PLAN.table}\n`));
  assert.match(people.out.text, /next: ravn train, .*ravn provide --name node_0\n$/);
  const programs = fakeShell({ engine });
  await runCommandLine(["clusterize", "model.onnx", "--json"], verbs, programs);
  const { plan, files } = PLAN;
  assert.deepEqual(JSON.parse(programs.out.text), { event: "plan", plan, files });
});

Deno.test("doctor prints a line a check, and fails where one failed", async () => {
  const good = { name: "socket", ok: true, detail: "127.0.0.1" };
  const bad = { name: "library", ok: false, detail: "not found; set RAVN_ORT_LIB" };
  const shell = fakeShell({ engine: fakeEngine({ doctor: () => checks([good, bad]) }) });
  assert.equal(await runCommandLine(["doctor"], verbs, shell), EXIT.failure);
  assert.equal(
    shell.out.text,
    "ok      socket: 127.0.0.1\nfailed  library: not found; set RAVN_ORT_LIB\n",
  );
  assert.equal(shell.err.text, "ravn: library: failed\n");
});
