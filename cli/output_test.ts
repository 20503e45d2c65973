import assert from "node:assert/strict";
import { EXIT, RavnError } from "../core/error.ts";
import { MemoryStream } from "./testing.ts";
import { Terminal, type TerminalOptions } from "./output.ts";

function open(options: TerminalOptions = {}, out = new MemoryStream()) {
  const err = new MemoryStream();
  return { out, err, terminal: new Terminal(out, err, options) };
}

Deno.test("lines are for people, events for programs", () => {
  const people = open();
  people.terminal.line("text");
  people.terminal.event({ event: "x" });
  assert.equal(people.out.text, "text\n");
  const programs = open({ json: true });
  programs.terminal.line("text");
  programs.terminal.hint("text");
  programs.terminal.event({ event: "x", value: 1 });
  assert.equal(programs.out.text, '{"event":"x","value":1}\n');
});

Deno.test("events that are not urgent are told together, in their order", async () => {
  const { terminal, out } = open({ json: true });
  const told = () => out.text.match(/(?<=")[a-e](?=")/g)?.join("") ?? "";
  terminal.eventSoon({ event: "a" });
  terminal.eventSoon({ event: "b" });
  assert.equal(told(), "");
  terminal.event({ event: "c" });
  assert.equal(told(), "abc");
  terminal.eventSoon({ event: "d" });
  while (told() === "abc") await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(told(), "abcd");
  terminal.eventSoon({ event: "e" });
  terminal.failure(new RavnError("lost"));
  assert.equal(told(), "abcde");
});

Deno.test("a RavnError is one line and its exit code", () => {
  const { terminal, err } = open();
  assert.equal(terminal.failure(new RavnError("no such file:\n  model.onnx")), EXIT.usage);
  assert.equal(err.text, "ravn: no such file:; model.onnx\n");
  const lost = new RavnError("lost node_1", { exitCode: EXIT.failure });
  assert.equal(open().terminal.failure(lost), EXIT.failure);
});

Deno.test("anything else is a fault of ravn; its stack is shown when asked for", () => {
  const quiet = open();
  assert.equal(quiet.terminal.failure(new TypeError("boom")), EXIT.failure);
  assert.match(quiet.err.text, /^ravn: boom\nravn: .*--verbose/);
  assert.doesNotMatch(quiet.err.text, /output_test/);
  const verbose = open({ verbose: true });
  verbose.terminal.failure(new TypeError("boom"));
  assert.match(verbose.err.text, /output_test\.ts/);
  assert.equal(open().terminal.failure("a string"), EXIT.failure);
});

Deno.test("colours only where they are wanted", () => {
  assert.equal(open().terminal.style("red", "x"), "x");
  assert.equal(open({ color: true }).terminal.style("red", "x"), "\x1b[31mx\x1b[0m");
});

Deno.test("a live line is replaced by what follows, and only drawn on a terminal", () => {
  const { terminal, out } = open({}, new MemoryStream(true, 40));
  terminal.live("10 %");
  terminal.live("20 %");
  terminal.line("done");
  assert.equal(out.text, "\r\x1b[K10 %\r\x1b[K20 %\r\x1b[Kdone\n");
  const piped = open();
  piped.terminal.live("10 %");
  assert.equal(piped.out.text, "");
});

Deno.test("warnings and debug lines go to standard error", () => {
  const { terminal, out, err } = open({ json: true });
  terminal.warn("slow");
  terminal.debug("hidden");
  assert.equal(out.text, "");
  assert.equal(err.text, "ravn: warning: slow\n");
  assert.equal(open().terminal.width, 80);
});
