import assert from "node:assert/strict";
import { RavnError } from "../core/error.ts";
import { withDeadline } from "./deadline.ts";
import { encode } from "./encode.ts";
import { type Agreement, answer, greet } from "./handshake.ts";
import { LIMITS, limitsWith } from "./limits.ts";
import { pipe } from "./pipe.ts";
import { ProtocolError } from "./protocol_error.ts";
import { ConnectionEnded, type RawConn } from "./raw_conn.ts";
import { pattern } from "./recorder.ts";
import type { Session } from "./session.ts";

const A = { nodeId: "node_0", address: "0.0.0.0:8080" };
const B = { nodeId: "node_1", address: "10.0.0.2:8081" };
const TOKEN = "3f9c1b6e0a7d4852";
const HASH = "ab".repeat(32);

function session(self: typeof A, changes: Partial<Session> = {}): Session {
  return { self, token: TOKEN, runHash: HASH, ...changes };
}

type Outcome = Agreement | Error;

/** Shakes hands over `ends`, and closes each end that fails, as dial and listen do. */
async function shake(
  dialer: Session,
  listener: Session,
  ends: [RawConn, RawConn] = pipe(),
  peer = B,
): Promise<[Outcome, Outcome]> {
  const run = async (conn: RawConn, work: Promise<Agreement>): Promise<Outcome> => {
    try {
      return await work;
    } catch (error) {
      conn.close();
      assert.ok(error instanceof Error);
      return error;
    }
  };
  const [here, there] = ends;
  return await Promise.all([
    run(here, greet(here, dialer, peer, LIMITS)),
    run(there, answer(there, listener, LIMITS)),
  ]);
}

/** A connection whose written bytes go through `change`, with the count of those before them. */
function tampered(conn: RawConn, change: (bytes: Uint8Array, at: number) => Uint8Array): RawConn {
  let at = 0;
  return {
    read: (target) => conn.read(target),
    close: () => conn.close(),
    write: async (source) => {
      const bytes = change(source.slice(), at);
      at += source.length;
      for (let i = 0; i < bytes.length;) i += await conn.write(bytes.subarray(i));
      return source.length;
    },
  };
}

function isAgreement(outcome: Outcome): outcome is Agreement {
  return !(outcome instanceof Error);
}

Deno.test("two nodes of a run agree, and know each other", async () => {
  const [here, there] = await shake(session(A), session(B));
  assert.ok(isAgreement(here) && isAgreement(there));
  assert.deepEqual(here.peer, B);
  assert.deepEqual(there.peer, A);
  assert.equal(here.credit, LIMITS.credit_bytes);
  assert.deepEqual([here.seq, there.seq], [2, 2]);
});

Deno.test("another token is refused, and both sides are told", async () => {
  const [here, there] = await shake(session(A, { token: "other" }), session(B));
  assert.ok(here instanceof RavnError && there instanceof RavnError);
  assert.equal(
    here.message,
    "node_1 at 10.0.0.2:8081 refused the run token; both nodes need the node files of one " +
      "clusterize run, or the same RAVN_TOKEN",
  );
  assert.equal(
    there.message,
    "node_1 did not let in node_0 of 0.0.0.0:8080: the run tokens of node_0 and node_1 differ",
  );
});

Deno.test("another plan is refused by name", async () => {
  const [here, there] = await shake(session(A, { runHash: "cd".repeat(32) }), session(B));
  assert.ok(here instanceof RavnError && there instanceof RavnError);
  assert.match(
    here.message,
    /^node_1 at 10.0.0.2:8081 cannot be joined: node_1 has plan abababababab, node_0 has plan cdcd/,
  );
  assert.match(here.message, /run clusterize once and copy its node_data to every machine$/);
  assert.match(there.message, /node_1 did not let in node_0 of .*: node_1 has plan abab/);
});

Deno.test("another node at the address is refused by name", async () => {
  const [here] = await shake(session(A), session({ ...B, nodeId: "node_2" }));
  assert.ok(here instanceof RavnError);
  assert.match(here.message, /cannot be joined: node_2 listens there; check IP in node_data/);
  const [twin] = await shake(session(B), session(B));
  assert.ok(twin instanceof RavnError);
  assert.match(twin.message, /node_1 is running already/);
});

Deno.test("another version is refused by name", async () => {
  const ends = pipe();
  // versionMin and versionMax lie behind the magic, in the first struct after the frame's own.
  const newer = tampered(ends[0], (bytes, at) => {
    if (at === 0) new DataView(bytes.buffer).setUint32(8 + 8 + 24 + 4, 0x0007_0005, true);
    return bytes;
  });
  const [here, there] = await shake(session(A), session(B), [newer, ends[1]]);
  assert.ok(here instanceof RavnError && there instanceof RavnError);
  assert.match(
    here.message,
    /node_0 speaks versions 5 to 7, node_1 1 to 1; use one version of ravn/,
  );
});

Deno.test("no bit of the handshake can be changed", async () => {
  const lengths = [0, 0];
  const count = (side: 0 | 1) => (bytes: Uint8Array) => {
    lengths[side]! += bytes.length;
    return bytes;
  };
  const ends = pipe();
  await shake(session(A), session(B), [tampered(ends[0], count(0)), tampered(ends[1], count(1))]);
  assert.ok(lengths[0]! > 300 && lengths[1]! > 300);
  for (const side of [0, 1] as const) {
    for (let target = 0; target < lengths[side]!; target += 5) {
      const flip = (bytes: Uint8Array, at: number) => {
        if (at <= target && target < at + bytes.length) bytes[target - at]! ^= 1 << target % 8;
        return bytes;
      };
      const [a, b] = pipe();
      const outcomes = await withDeadline(
        shake(session(A), session(B), side === 0 ? [tampered(a, flip), b] : [a, tampered(b, flip)]),
        // A changed length leaves both sides waiting: the deadline of the handshake ends that.
        {
          ms: 25,
          what: "it",
          cancel: () => {
            a.close();
            b.close();
          },
        },
      ).catch((error: unknown) => [error, error]);
      const isAgreed = outcomes.every((outcome) => !(outcome instanceof Error));
      assert.ok(!isAgreed, `byte ${target} of side ${side} can be changed`);
    }
  }
});

Deno.test("a recorded handshake cannot be replayed", async () => {
  const recorded: Uint8Array[] = [];
  const ends = pipe();
  const record = tampered(ends[0], (bytes) => {
    recorded.push(bytes);
    return bytes;
  });
  await shake(session(A), session(B), [record, ends[1]]);
  const [replay, there] = pipe();
  const answering = answer(there, session(B), LIMITS).catch((error: unknown) => error);
  for (const bytes of recorded) await replay.write(bytes);
  const outcome = await answering;
  assert.ok(outcome instanceof RavnError);
  assert.match(
    outcome.message,
    /did not let in node_0 .*: the run tokens of node_1 and node_0 differ/,
  );
});

Deno.test("a proof cannot be reflected to whoever made it", async () => {
  // An attacker without the token sends node_1 everything that node_1 says.
  const [mirror, there] = pipe();
  const echo = (async () => {
    const bytes = new Uint8Array(4096);
    for (let n = await mirror.read(bytes); n !== null; n = await mirror.read(bytes)) {
      await mirror.write(bytes.subarray(0, n));
    }
  })().catch(() => {});
  const outcome = await greet(there, session(A), { ...A }, LIMITS).catch((error: unknown) => error);
  assert.ok(outcome instanceof ProtocolError);
  assert.match(outcome.message, /a hello frame where challenge was due/);
  there.close();
  await echo;
});

Deno.test("before the proof, no tensor frame is parsed and no large frame is read", async () => {
  const cases: [Uint8Array, RegExp][] = [
    [encode(0, (frame) => void frame.initTensors()), /a tensors frame where hello was due/],
    [encode(0, (frame) => void (frame.initBye().reason = "x".repeat(600))), /a list of 601/],
    [new Uint8Array([1, 0, 0, 0, 1, 0, 0, 0]), /a frame of 2 segments/],
    [new Uint8Array([0, 0, 0, 0, 1, 4, 0, 0]), /segment 0 of 8200 bytes/],
    [new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"), /a frame of \d+ segments/],
  ];
  for (const [bytes, message] of cases) {
    const [guest, there] = pipe();
    await guest.write(bytes);
    await assert.rejects(
      answer(there, session(B), limitsWith({ handshake_bytes: 4096 })),
      (error: Error) => error instanceof ProtocolError && message.test(error.message),
    );
  }
});

Deno.test("a guest that leaves in the handshake is no breach", async () => {
  const [guest, there] = pipe();
  await guest.write(pattern(0));
  guest.close();
  await assert.rejects(answer(there, session(B), LIMITS), ConnectionEnded);
});
