import assert from "node:assert/strict";
import type { RunEvent } from "./events.ts";
import { ProviderProcess } from "./provider_process.ts";

/** A provider whose command is a script, and what it told. */
async function run(script: string) {
  const events: RunEvent[] = [];
  const provider = new ProviderProcess("node_1", ["--force"], {
    emit: (event) => events.push(event),
    signal: new AbortController().signal,
    command: ["sh", "-c", script, "sh"],
  });
  return { failure: await provider.done, events };
}

Deno.test("events are passed on, other lines are not", async () => {
  const { failure, events } = await run(
    'echo "$@"; echo \'{"event":"log","message":"hello"}\'; echo \'{"event":"unknown"}\'',
  );
  assert.equal(failure, undefined);
  assert.deepEqual(events, [{ event: "log", message: "hello" }]);
});

Deno.test("the arguments name the node", async () => {
  const { failure } = await run('echo "ravn: $*" >&2; exit 3');
  assert.deepEqual(failure, { message: "provide --name node_1 --json --force", exitCode: 1 });
});

Deno.test("a failure is told by the line that names it", async () => {
  const { failure } = await run(
    'echo "ravn: warning: a stranger" >&2; echo "ravn: node_1 lost node_0" >&2; exit 1',
  );
  assert.deepEqual(failure, { message: "node_1 lost node_0", exitCode: 1 });
  const usage = await run('echo "ravn: x.npy: no such file" >&2; exit 2');
  assert.deepEqual(usage.failure, { message: "x.npy: no such file", exitCode: 2 });
});

Deno.test("a fault in ravn is told by its message, not by the advice after it", async () => {
  const { failure } = await run(
    'echo "ravn: x is undefined" >&2; echo "ravn: this is a fault in ravn; …" >&2; exit 1',
  );
  assert.equal(failure?.message, "x is undefined");
});

Deno.test("a process that says nothing of its own is told by how it ended", async () => {
  assert.equal((await run("kill -9 $$")).failure?.message, "node_1 ended with SIGKILL");
  assert.equal((await run("exit 7")).failure?.message, "node_1 ended with exit code 7");
  assert.equal((await run("echo panic >&2; exit 7")).failure?.message, "panic");
});
