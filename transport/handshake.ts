/**
 * The handshake: hello, challenge, auth, welcome. Before it is done nothing but these small frames
 * is read. After it each side knows that the other holds the run token, is the node that it says,
 * and has the same plan.
 */
import { EXIT, RavnError } from "../core/error.ts";
import { exact, type FailureCode } from "./decode.ts";
import type { FrameReader } from "./frame_reader.ts";
import type { FrameWriter } from "./frame_writer.ts";
import * as wire from "./gen/transport.ts";
import { deriveKeys, NONCE_BYTES } from "./keys.ts";
import type { Limits } from "./limits.ts";
import type { Identity } from "./message.ts";
import { oneLine } from "./one_line.ts";
import { ProtocolError } from "./protocol_error.ts";
import type { MemoryOffer, RawConn } from "./raw_conn.ts";
import { type Session, VERSION, VERSION_MIN } from "./session.ts";
import { fixedBytes, Refused, Transcript } from "./transcript.ts";

const MAGIC = 0x5241564e;

/** What a handshake agreed on. */
export interface Agreement {
  readonly peer: Identity;
  /** Bytes that the peer takes before it grants more. */
  readonly credit: number;
  readonly reader: FrameReader;
  readonly writer: FrameWriter;
  /** Number of the next frame to send. */
  readonly seq: number;
}

/** What a side brings to a handshake. */
interface Terms {
  readonly limits: Limits;
  readonly memory: MemoryOffer | undefined;
}

/** Why this side does not go on. The peer is told. */
class Objection extends Error {
  readonly code: FailureCode;

  constructor(code: FailureCode, message: string) {
    super(message);
    this.code = code;
  }
}

/**
 * The side that connects. `peer` is who is expected to answer.
 *
 * @throws {RavnError} when the two can never agree: another token, plan, node or version. Anything
 * else that is thrown may pass.
 */
export async function greet(
  conn: RawConn,
  session: Session,
  peer: Identity,
  limits: Limits,
): Promise<Agreement> {
  const transcript = new Transcript(conn, limits);
  try {
    return await greeting(transcript, session, peer, { limits, memory: conn.memory });
  } catch (error) {
    conn.memory?.decline();
    if (error instanceof Objection) await transcript.refuse(error.code, error.message);
    else if (!(error instanceof Refused) || error.code === "limit") throw error;
    throw cannotAgree(error.code, oneLine(error.message, 200), peer);
  }
}

async function greeting(
  transcript: Transcript,
  session: Session,
  peer: Identity,
  { limits, memory }: Terms,
): Promise<Agreement> {
  const { self } = session;
  const dialerNonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
  await transcript.send((frame) => {
    const hello = frame.initHello();
    hello.magic = MAGIC;
    hello.versionMin = VERSION_MIN;
    hello.versionMax = VERSION;
    hello.nodeId = self.nodeId;
    hello.address = self.address;
    hello.expected = peer.nodeId;
    hello.runHash = session.runHash;
    hello.initNonce(NONCE_BYTES).copyBuffer(dialerNonce);
    hello.credit = BigInt(limits.credit_bytes);
    hello.memory = memory?.offer() ?? "";
  });
  const { challenge } = await transcript.receive("challenge");
  const { version, nodeId, address } = challenge;
  if (version < VERSION_MIN || version > VERSION) {
    throw new ProtocolError(`a challenge of version ${version}`);
  }
  const listenerNonce = fixedBytes(
    challenge,
    wire.Challenge.pointer.nonce,
    NONCE_BYTES,
    () => challenge.nonce,
  );
  const parties = { dialer: self.nodeId, listener: nodeId, dialerNonce, listenerNonce };
  const keys = await deriveKeys(session.token, parties);
  if (!await transcript.acceptSealed(keys.listener, challenge)) {
    throw otherToken(self.nodeId, nodeId);
  }
  if (nodeId !== peer.nodeId) throw new Objection("node", `${nodeId} listens there`);
  checkPlan(session, nodeId, challenge.runHash);
  await transcript.sendSealed(keys.dialer, (frame) => frame.initAuth());
  const { welcome } = await transcript.receive("welcome");
  if (!await transcript.acceptSealed(keys.listener, welcome)) {
    throw new ProtocolError("a welcome without proof");
  }
  if (welcome.memory !== 1) memory?.decline();
  else if (memory === undefined) throw new ProtocolError("a welcome to memory that is none");
  else memory.begin();
  return agreement(transcript, { nodeId, address }, challenge.credit, limits);
}

/**
 * The side that listens.
 *
 * @throws {RavnError} when the peer has another token, plan or version, or looks for another node.
 */
export async function answer(conn: RawConn, session: Session, limits: Limits): Promise<Agreement> {
  const transcript = new Transcript(conn, limits);
  const { hello } = await transcript.receive("hello");
  if (hello.magic !== MAGIC) throw new ProtocolError("a hello that is none");
  transcript.accept();
  try {
    return await answering(transcript, session, hello, { limits, memory: conn.memory });
  } catch (error) {
    conn.memory?.decline();
    if (error instanceof Objection) await transcript.refuse(error.code, error.message);
    else if (!(error instanceof Refused)) throw error;
    const { nodeId, address } = hello;
    throw new RavnError(
      oneLine(`${session.self.nodeId} did not let in ${nodeId} of ${address}: ${error.message}`),
      { exitCode: EXIT.failure },
    );
  }
}

async function answering(
  transcript: Transcript,
  session: Session,
  hello: wire.Hello,
  { limits, memory }: Terms,
): Promise<Agreement> {
  const { self } = session;
  const { nodeId, address } = hello;
  if (hello.versionMax < VERSION_MIN || hello.versionMin > VERSION) {
    const theirs = `${hello.versionMin} to ${hello.versionMax}`;
    const text = `${nodeId} speaks versions ${theirs}, ${self.nodeId} ${VERSION_MIN} to ${VERSION}`;
    throw new Objection("version", text);
  }
  const listenerNonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
  const dialerNonce = fixedBytes(
    hello,
    wire.Hello.pointer.nonce,
    NONCE_BYTES,
    () => hello.nonce,
  );
  const parties = { dialer: nodeId, listener: self.nodeId, dialerNonce, listenerNonce };
  const keys = await deriveKeys(session.token, parties);
  await transcript.sendSealed(keys.listener, (frame) => {
    const challenge = frame.initChallenge();
    challenge.version = Math.min(VERSION, hello.versionMax);
    challenge.nodeId = self.nodeId;
    challenge.address = self.address;
    challenge.runHash = session.runHash;
    challenge.initNonce(NONCE_BYTES).copyBuffer(listenerNonce);
    challenge.credit = BigInt(limits.credit_bytes);
    return challenge;
  });
  const auth = await transcript.receive("auth");
  if (!await transcript.acceptSealed(keys.dialer, auth.mac)) {
    throw otherToken(self.nodeId, nodeId);
  }
  if (hello.expected !== self.nodeId) throw new Objection("node", `${self.nodeId} listens here`);
  if (nodeId === self.nodeId) throw new Objection("node", `${nodeId} is running already`);
  checkPlan(session, nodeId, hello.runHash);
  // Only now: a guest that has proved nothing does not name what is opened here.
  const shares = memory?.take(hello.memory) ?? false;
  await transcript.sendSealed(keys.listener, (frame) => {
    const welcome = frame.initWelcome();
    welcome.memory = shares ? 1 : 0;
    return welcome;
  });
  if (shares) memory!.begin();
  return agreement(transcript, { nodeId, address }, hello.credit, limits);
}

function agreement(
  { reader, writer, seq }: Transcript,
  peer: Identity,
  credit: bigint,
  limits: Limits,
): Agreement {
  reader.limits = limits;
  const identity = { nodeId: oneLine(peer.nodeId, 200), address: oneLine(peer.address, 200) };
  return { peer: identity, credit: exact(credit), reader, writer, seq };
}

function otherToken(a: string, b: string): Objection {
  return new Objection("token", `the run tokens of ${a} and ${b} differ`);
}

function checkPlan(session: Session, nodeId: string, runHash: string): void {
  if (runHash === session.runHash) return;
  const plans = `${nodeId} has plan ${short(runHash)}, ${session.self.nodeId} has plan ` +
    short(session.runHash);
  throw new Objection("plan", plans);
}

function short(hash: string): string {
  return hash.slice(0, 12);
}

function cannotAgree(code: FailureCode, why: string, { nodeId, address }: Identity): RavnError {
  if (code === "token") {
    return new RavnError(
      `${nodeId} at ${address} refused the run token; both nodes need the node files of one ` +
        `clusterize run, or the same RAVN_TOKEN`,
    );
  }
  const advice = code === "plan"
    ? "run clusterize once and copy its node_data to every machine"
    : code === "version"
    ? "use one version of ravn on every machine"
    : "check IP in node_data/node_configs.json";
  return new RavnError(`${nodeId} at ${address} cannot be joined: ${why}; ${advice}`);
}
