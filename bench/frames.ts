/**
 * Tensor frames of 1 MiB over a link against the same bytes in a bare loop over a socket, both on
 * TCP between two processes. A round ends when the other side has confirmed all of it.
 */
import { dial, type Link, listen, type Receiver, type TensorHead } from "../transport/mod.ts";
import { interleave, report } from "./interleave.ts";

const BENCH = "frames/1MiB";
const FRAME_BYTES = 1 << 20;
const FRAMES = 64;
/** Rounds go over several connections in turn: the kernel does not treat them all alike. */
const CONNECTIONS = 4;
const HOST = "127.0.0.1";
const RECEIVER = { nodeId: "receiver", address: `${HOST}:0` };
const SENDER = { nodeId: "sender", address: `${HOST}:0` };
const RUN = { token: "bench", runHash: "00" };

const HEAD: TensorHead = {
  kind: "forward",
  microBatch: 0,
  step: 0,
  weightVersion: 0,
  samples: 1,
  tensors: [{ name: "x", dtype: "float32", dims: [512, 512] }],
};

/** Both receivers, in a process of their own, until its input ends. */
async function receive(): Promise<void> {
  const place = new Uint8Array(FRAME_BYTES);
  const listener = await listen({
    session: { self: RECEIVER, ...RUN },
    host: HOST,
    port: 0,
    sockets: "tcp",
    onLink: (link) => link.start(confirming(link, place)),
  });
  const raw = Deno.listen({ hostname: HOST, port: 0 });
  receiveRaw(raw, place);
  const ports = JSON.stringify({ link: listener.port, raw: raw.addr.port });
  Deno.stdout.writeSync(new TextEncoder().encode(`${ports}\n`));
  await Deno.stdin.read(new Uint8Array(1));
  Deno.exit(0);
}

function confirming(link: Link, place: Uint8Array): Receiver {
  let frames = 0;
  const places = [place];
  return {
    place: () => places,
    arrived: () => {
      if (++frames % FRAMES > 0) return;
      link.control({ kind: "progress", step: 0, epoch: 0, values: [], text: "" });
    },
    control: () => {},
  };
}

async function receiveRaw(listener: Deno.TcpListener, place: Uint8Array): Promise<void> {
  for await (const conn of listener) drain(conn, place);
}

async function drain(conn: Deno.TcpConn, place: Uint8Array): Promise<void> {
  conn.setNoDelay(true);
  for (let frames = 1;; frames++) {
    for (let at = 0; at < FRAME_BYTES;) {
      const count = await conn.read(place.subarray(at));
      if (count === null) return;
      at += count;
    }
    if (frames % FRAMES === 0) await conn.write(new Uint8Array(1));
  }
}

/** Megabytes a second of a round of ours. */
function overLink(link: Link, bytes: Uint8Array): () => Promise<number> {
  let confirmed = Promise.withResolvers<void>();
  link.start({ place: () => [], arrived: () => {}, control: () => confirmed.resolve() });
  const data = [bytes];
  return async () => {
    confirmed = Promise.withResolvers<void>();
    const start_ms = performance.now();
    for (let i = 0; i < FRAMES; i++) await link.send({ ...HEAD, microBatch: i }, data);
    await confirmed.promise;
    return megabytesPerSecond(start_ms);
  };
}

/** Megabytes a second of a round of the bare loop. */
function overSocket(conn: Deno.TcpConn, bytes: Uint8Array): () => Promise<number> {
  return async () => {
    const start_ms = performance.now();
    for (let i = 0; i < FRAMES; i++) {
      for (let at = 0; at < FRAME_BYTES;) at += await conn.write(bytes.subarray(at));
    }
    await conn.read(new Uint8Array(1));
    return megabytesPerSecond(start_ms);
  };
}

/** Calls one after the other, over and over. */
function inTurn(rounds: readonly (() => Promise<number>)[]): () => Promise<number> {
  let next = 0;
  return () => rounds[next++ % rounds.length]!();
}

function megabytesPerSecond(start_ms: number): number {
  return FRAMES * FRAME_BYTES / 1000 / (performance.now() - start_ms);
}

async function send(): Promise<void> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", new URL(import.meta.url).pathname, "receive"],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const line = new Uint8Array(256);
  const reader = child.stdout.getReader({ mode: "byob" });
  const { value } = await reader.read(line);
  const ports: { link: number; raw: number } = JSON.parse(new TextDecoder().decode(value));
  const bytes = new Uint8Array(FRAME_BYTES).map((_, i) => i * 31);
  const links: Link[] = [];
  const conns: Deno.TcpConn[] = [];
  for (let i = 0; i < CONNECTIONS; i++) {
    links.push(
      await dial({
        session: { self: SENDER, ...RUN },
        peer: { ...RECEIVER, address: `${HOST}:${ports.link}` },
        sockets: "tcp",
        deadline_ms: 5000,
      }),
    );
    const conn = await Deno.connect({ hostname: HOST, port: ports.raw });
    conn.setNoDelay(true);
    conns.push(conn);
  }
  const ours = inTurn(links.map((link) => overLink(link, bytes)));
  const peers = inTurn(conns.map((conn) => overSocket(conn, bytes)));
  const comparison = await interleave(ours, peers, { rounds: 64, warmup: 8 });
  report({ bench: BENCH, ...comparison, peer_name: "raw socket loop", unit: "MB/s" });
  await Promise.all(links.map((link) => link.close()));
  for (const conn of conns) conn.close();
  await child.stdin.close();
  await child.status;
  await reader.cancel();
}

if (import.meta.main) await (Deno.args[0] === "receive" ? receive() : send());
