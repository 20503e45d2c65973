import { FrameReader } from "./frame_reader.ts";
import { FrameWriter } from "./frame_writer.ts";
import { type Limits, limitsWith } from "./limits.ts";
import type { Link } from "./link.ts";
import type { Identity } from "./message.ts";
import { PeerLink } from "./peer_link.ts";
import { pipe } from "./pipe.ts";
import type { RawConn } from "./raw_conn.ts";

/**
 * Both ends of a link between `a` and `b` in memory, for tests: first the one that `a` holds. They
 * are real links over a pipe without a handshake, so bytes are copied and arrive later and in
 * order, and credit, limits and deadlines hold.
 */
export function memoryLinks(a: Identity, b: Identity, limits?: Partial<Limits>): [Link, Link] {
  const [there, here] = pipe();
  return linksOver(there, here, a, b, limits);
}

/** The same over two ends that the caller connected. */
export function linksOver(
  there: RawConn,
  here: RawConn,
  a: Identity,
  b: Identity,
  changes?: Partial<Limits>,
): [Link, Link] {
  const limits = limitsWith(changes);
  const end = (conn: RawConn, self: Identity, peer: Identity) =>
    new PeerLink({
      conn,
      self,
      peer,
      limits,
      via: "memory",
      reader: new FrameReader(conn, limits),
      writer: new FrameWriter(conn),
      credit: limits.credit_bytes,
      seq: 0,
    });
  return [end(there, a, b), end(here, b, a)];
}
