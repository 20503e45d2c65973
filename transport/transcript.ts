import { type Data, Message, type Struct } from "capnp-ts";
import { type Body, type FailureCode, isNull } from "./decode.ts";
import { headOf } from "./encode.ts";
import { FrameReader } from "./frame_reader.ts";
import { FrameWriter } from "./frame_writer.ts";
import * as wire from "./gen/transport.ts";
import { concat, MAC_BYTES, sign, verify } from "./keys.ts";
import type { Limits } from "./limits.ts";
import { ProtocolError } from "./protocol_error.ts";
import { ConnectionEnded, type RawConn } from "./raw_conn.ts";

/** The peer said in the handshake that it does not want to go on. */
export class Refused extends Error {
  override readonly name = "Refused";
  readonly code: FailureCode;

  constructor(code: FailureCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** A struct with a `mac` field. */
type Sealed = wire.Challenge | wire.Auth | wire.Welcome;

/**
 * The frames of one handshake as both sides saw them. A sealed frame carries a proof over all bytes
 * before it and over itself with the proof zeroed, so no bit of the handshake can be changed.
 */
export class Transcript {
  readonly reader: FrameReader;
  readonly writer: FrameWriter;
  /** Number of the next frame to send. */
  seq = 0;
  readonly #frames: Uint8Array[] = [];

  constructor(conn: RawConn, limits: Limits) {
    this.reader = new FrameReader(conn, {
      ...limits,
      head_bytes: limits.handshake_bytes,
      text_bytes: Math.min(limits.text_bytes, 512),
      tensors: 0,
    });
    this.writer = new FrameWriter(conn);
  }

  /** Sends a frame without a proof. */
  async send(fill: (frame: wire.Frame) => void): Promise<void> {
    const message = this.#message();
    fill(message.getRoot(wire.Frame));
    await this.#put(message);
  }

  /** Sends a frame with a proof. `fill` makes the struct that has the `mac`. */
  async sendSealed(key: CryptoKey, fill: (frame: wire.Frame) => Sealed): Promise<void> {
    const message = this.#message();
    const mac = fill(message.getRoot(wire.Frame)).initMac(MAC_BYTES);
    mac.copyBuffer(await sign(key, concat([...this.#frames, headOf(message, [])])));
    await this.#put(message);
  }

  /** Tells the peer why this side does not go on, as well as it can be told. */
  async refuse(code: FailureCode, text: string): Promise<void> {
    try {
      await this.send((frame) => {
        const failure = frame.initFailure();
        failure.code = wire.FailureCode.indexOf(code);
        failure.message = text.slice(0, 160);
      });
    } catch {
      // The peer is gone already; it needs no reason.
    }
  }

  /**
   * Receives the frame that is due.
   *
   * @throws {Refused} when the peer refuses to go on.
   */
  async receive<M extends Body["member"]>(member: M): Promise<Extract<Body, { member: M }>> {
    const frame = await this.reader.next();
    if (frame === null) throw new ConnectionEnded("it closed the connection in the handshake");
    const { body } = frame;
    if (body.member === "failure") throw new Refused(body.code, body.message);
    if (!is(body, member)) {
      throw new ProtocolError(`a ${body.member} frame where ${member} was due`);
    }
    return body;
  }

  /** Takes a received frame without a proof into account. */
  accept(): void {
    this.#frames.push(withTable(this.reader.segment0));
  }

  /** Takes a received frame into account and tells whether its proof holds. */
  async acceptSealed(key: CryptoKey, sealed: Sealed): Promise<boolean> {
    const frame = withTable(this.reader.segment0);
    const mac = fixedBytes(sealed, pointerToMac(sealed), MAC_BYTES, () => sealed.mac);
    const proof = mac.slice();
    mac.fill(0);
    const zeroed = withTable(new Uint8Array(sealed.segment.buffer));
    const isProved = await verify(key, proof, concat([...this.#frames, zeroed]));
    this.#frames.push(frame);
    return isProved;
  }

  #message(): Message {
    const message = new Message();
    message.initRoot(wire.Frame).seq = BigInt(this.seq++);
    return message;
  }

  async #put(message: Message): Promise<void> {
    const bytes = headOf(message, []);
    this.#frames.push(bytes);
    await this.writer.put(bytes);
    await this.writer.flush();
  }
}

function is<M extends Body["member"]>(body: Body, member: M): body is Extract<Body, { member: M }> {
  return body.member === member;
}

function pointerToMac(sealed: Sealed): number {
  return sealed instanceof wire.Challenge ? wire.Challenge.pointer.mac : 0;
}

/** A `Data` field of a fixed length, as a view of the message. */
export function fixedBytes(
  struct: Struct,
  pointer: number,
  length: number,
  read: () => Data,
): Uint8Array<ArrayBuffer> {
  if (isNull(struct, pointer)) throw new ProtocolError("a handshake frame without its bytes");
  const data = read();
  if (data.getLength() !== length) throw new ProtocolError("a handshake frame with other bytes");
  const { byteOffset } = data.toUint8Array();
  return new Uint8Array(struct.segment.buffer, byteOffset, length);
}

/** A message of one segment, with its segment table. */
function withTable(segment0: Uint8Array): Uint8Array<ArrayBuffer> {
  const table = new Uint8Array(8);
  new DataView(table.buffer).setUint32(4, segment0.length / 8, true);
  return concat([table, segment0]);
}
