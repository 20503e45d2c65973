/**
 * Bytes that came from a peer break the protocol. It is the only thing that the framing layer
 * throws at bad input; a link turns it into a `RavnError` that names the peer.
 */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}

/** Throws a {@linkcode ProtocolError} unless `condition` holds. */
export function demand(condition: boolean, message: string): asserts condition {
  if (!condition) throw new ProtocolError(message);
}
