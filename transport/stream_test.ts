import assert from "node:assert/strict";
import { answer, greet } from "./handshake.ts";
import { limitsWith } from "./limits.ts";
import type { TensorInfo } from "./message.ts";
import { PeerLink } from "./peer_link.ts";
import { pipe } from "./pipe.ts";
import type { RawConn } from "./raw_conn.ts";
import { headFor, pattern, Recorder } from "./recorder.ts";

const hasCapnp = await new Deno.Command("capnp", { args: ["--version"] }).output()
  .then(({ success }) => success, () => false);

/** A connection that keeps a copy of all that is written to it. */
function recording(conn: RawConn, written: Uint8Array[]): RawConn {
  return {
    read: (target) => conn.read(target),
    close: () => conn.close(),
    write: async (source) => {
      const count = await conn.write(source);
      written.push(source.slice(0, count));
      return count;
    },
  };
}

/** The names of the members of the frames that capnp finds in a stream. */
async function membersIn(written: readonly Uint8Array[]): Promise<string[]> {
  const schema = new URL("./schema/transport.capnp", import.meta.url).pathname;
  const child = new Deno.Command("capnp", {
    args: ["decode", "--short", schema, "Frame"],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const output = child.output();
  const writer = child.stdin.getWriter();
  for (const bytes of written) await writer.write(bytes);
  await writer.close();
  const { success, stdout, stderr } = await output;
  assert.ok(success, new TextDecoder().decode(stderr));
  const lines = new TextDecoder().decode(stdout).trim().split("\n");
  return lines.map((line, seq) => {
    const match = /^\(seq = (\d+), (\w+) = /.exec(line);
    assert.ok(match && Number(match[1]) === seq, `frame ${seq}: ${line.slice(0, 80)}`);
    return match[2]!;
  });
}

async function wholeConversation(): Promise<void> {
  const limits = limitsWith({ credit_bytes: 64 << 10, ping_ms: 20 });
  const [a, b] = pipe();
  const [fromA, fromB]: [Uint8Array[], Uint8Array[]] = [[], []];
  const [connA, connB] = [recording(a, fromA), recording(b, fromB)];
  const A = { nodeId: "node_0", address: "a:1" };
  const B = { nodeId: "node_1", address: "b:2" };
  const run = { token: "t", runHash: "00" };
  const [here, there] = await Promise.all([
    greet(connA, { self: A, ...run }, B, limits),
    answer(connB, { self: B, ...run }, limits),
  ]);
  const linkA = new PeerLink({ ...here, conn: connA, self: A, via: "memory", limits });
  const linkB = new PeerLink({ ...there, conn: connB, self: B, via: "memory", limits });
  const got = new Recorder();
  linkA.start(new Recorder());
  linkB.start(got);
  const small: TensorInfo = { name: "x", dtype: "bool", dims: [13] };
  const large: TensorInfo = { name: "w", dtype: "uint8", dims: [100_001] };
  await linkA.send(headFor([small]), [pattern(13)]);
  await linkA.send(headFor([large, small]), [pattern(100_001), pattern(13)]);
  await linkA.control({ kind: "finish", step: 1, epoch: 1, values: [0.97], text: "" });
  await got.until(3);
  // Signs of life, and the answers to them.
  for (const before = fromA.length; fromA.length < before + 4;) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await linkB.fail("no more memory");
  const closed = await linkA.closed;
  assert.ok(closed.kind === "failed" && closed.message === "no more memory");
  const membersA = await membersIn(fromA);
  const membersB = await membersIn(fromB);
  assert.deepEqual(membersA.slice(0, 3), ["hello", "auth", "tensors"]);
  assert.ok(membersA.filter((member) => member === "tensors").length > 5);
  for (const member of ["control", "ping", "pong"]) assert.ok(membersA.includes(member), member);
  assert.deepEqual(membersB.slice(0, 2), ["challenge", "welcome"]);
  for (const member of ["credit", "ping"]) assert.ok(membersB.includes(member), member);
  assert.equal(membersB.at(-1), "failure");
}

Deno.test({
  name: "capnp decode reads a whole conversation (needs capnp, Debian's capnproto, on PATH)",
  ignore: !hasCapnp,
  fn: wholeConversation,
});
