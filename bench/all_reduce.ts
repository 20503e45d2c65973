/**
 * An all-reduce of 100 MB over four processes of this machine by TCP, against gloo of PyTorch where
 * there is one: each from the moment at which all are told to begin until all have the sum. No
 * memory is shared.
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { piecesOf } from "../core/collective/mod.ts";
import { PieceExchange } from "../core/run/averaging_exchange.ts";
import { AveragingPartners } from "../core/run/averaging_partners.ts";
import type { Partner } from "../core/run/averaging_partners.ts";
import { TextLineStream } from "../core/run/text_lines.ts";
import { dial, type Link, listen } from "../transport/mod.ts";
import { interleave, report } from "./interleave.ts";
import { Peer } from "./peer.ts";

const BENCH = "allreduce/100MB-4";
const BYTES = 100e6;
const PROCESSES = 4;
const HOST = "127.0.0.1";
const DEADLINE_MS = 20_000;
const ROUNDS = 9;

function identityOf(rank: number): { readonly nodeId: string; readonly address: string } {
  return { nodeId: `node_${rank}`, address: `${HOST}:0` };
}

/** Links to the next and from the previous process, once all listen. */
async function ringLinks(
  rank: number,
  lines: AsyncIterator<string>,
): Promise<readonly [next: Link, previous: Link]> {
  const came = Promise.withResolvers<Link>();
  const session = { self: identityOf(rank), token: "bench", runHash: "00" };
  const listener = await listen({
    session,
    host: HOST,
    port: 0,
    sockets: "tcp",
    onLink: came.resolve,
  });
  say(String(listener.port));
  const { value } = await lines.next();
  const ports: readonly number[] = JSON.parse(value);
  const other = (rank + 1) % PROCESSES;
  const next = await dial({
    session,
    peer: { ...identityOf(other), address: `${HOST}:${ports[other]}` },
    sockets: "tcp",
    deadline_ms: DEADLINE_MS,
  });
  return [next, await came.promise];
}

/** One of the processes: reduces once for each line that it reads. */
async function take(rank: number): Promise<void> {
  const lines = linesOf(Deno.stdin.readable);
  const [next, previous] = await ringLinks(rank, lines);
  const partner = (link: Link, step: number): Partner => {
    const cluster = (rank + step) % PROCESSES;
    return { link, cluster, stage: 0, name: `node_${cluster}` };
  };
  const elements = BYTES / 4;
  const pieces = piecesOf({
    rings: [elements],
    clusters: Array.from({ length: PROCESSES }, () => [[[0, elements]]]),
  });
  let wake = () => {};
  const fail = (error: unknown) => {
    throw error;
  };
  const neighbours = [partner(next, 1), partner(previous, PROCESSES - 1)];
  const partners: AveragingPartners = new AveragingPartners(
    `node_${rank}`,
    neighbours,
    {
      place: (partner, head) => exchange.place(partner, head),
      arrived: (partner, head) => exchange.arrived(partner, head),
      left: () => {},
      closed: () => {},
      failed: fail,
    },
  );
  const exchange: PieceExchange = new PieceExchange({
    pieces,
    self: { cluster: rank, stage: 0 },
    partners: neighbours,
    arrays: 0,
    changed: () => wake(),
    unsent: (_, error) => fail(error),
  });
  partners.open();
  exchange.sums.fill(rank + 1);
  for (let round = 0; await lines.next().then(({ done }) => done !== true); round++) {
    exchange.contribute();
    while (!exchange.ready) await new Promise<void>((resolve) => wake = resolve);
    say("done");
    if (round > 0) continue;
    const sum = PROCESSES * (PROCESSES + 1) / 2;
    assert.ok(exchange.sums.every((x) => x === sum), "the sum is right");
    exchange.sums.fill(0);
  }
  await partners.close();
  Deno.exit(0);
}

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

function linesOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncIterator<string> {
  return stream.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream())
    [Symbol.asyncIterator]();
}

/** The processes as seen from outside. */
class Processes {
  readonly #all = Array.from({ length: PROCESSES }, (_, rank) => {
    const process = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", fileURLToPath(import.meta.url), "take", String(rank)],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    return { process, input: process.stdin.getWriter(), lines: linesOf(process.stdout) };
  });

  /** Tells all of them a line. */
  async tell(line: string): Promise<void> {
    const bytes = new TextEncoder().encode(`${line}\n`);
    await Promise.all(this.#all.map(({ input }) => input.write(bytes)));
  }

  /** The next line of each. */
  hear(): Promise<string[]> {
    return Promise.all(this.#all.map(async ({ lines }, rank) => {
      const { value, done } = await lines.next();
      if (done) throw new Error(`process ${rank} ended`);
      return value;
    }));
  }

  /** Milliseconds of one all-reduce. */
  async run(): Promise<number> {
    const start_ms = performance.now();
    await this.tell("run");
    await this.hear();
    return performance.now() - start_ms;
  }

  async end(): Promise<void> {
    await Promise.all(this.#all.map(({ input }) => input.close()));
    await Promise.all(this.#all.map(({ process }) => process.status));
  }
}

async function main(): Promise<void> {
  const peer = await Peer.start(new URL("all_reduce.py", import.meta.url), [BYTES, PROCESSES]);
  if ("skipped" in peer) return report({ bench: BENCH, ...peer });
  await using _ = peer;
  const processes = new Processes();
  const ports = await processes.hear();
  await processes.tell(JSON.stringify(ports.map(Number)));
  const found = await interleave(() => processes.run(), () => peer.run(), { rounds: ROUNDS });
  await processes.end();
  report({ bench: BENCH, ...found, peer_name: peer.name, unit: "ms" });
}

if (import.meta.main) {
  const [role, rank] = Deno.args;
  await (role === "take" ? take(Number(rank)) : main());
}
