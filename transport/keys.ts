/**
 * The secrets of one handshake. Both nodes know the run token; neither sends it.
 *
 * HKDF (RFC 5869) with SHA-256 makes one key for each role from the token, salted with the nonces
 * of both sides and bound to both node ids, so that no proof can be used twice, reflected, or
 * passed off as another node's. The proofs are HMAC-SHA256 (RFC 2104).
 */
export interface HandshakeKeys {
  readonly dialer: CryptoKey;
  readonly listener: CryptoKey;
}

/** Bytes of a nonce and of a proof. */
export const NONCE_BYTES = 32;
export const MAC_BYTES = 32;

const utf8 = new TextEncoder();

/** Who talks to whom, and the random bytes that each of them chose. */
export interface Parties {
  readonly dialer: string;
  readonly listener: string;
  readonly dialerNonce: Uint8Array;
  readonly listenerNonce: Uint8Array;
}

/** The keys with which the parties prove to each other that they know `token`. */
export async function deriveKeys(token: string, parties: Parties): Promise<HandshakeKeys> {
  const secret = await crypto.subtle.importKey("raw", utf8.encode(token), "HKDF", false, [
    "deriveKey",
  ]);
  const salt = concat([parties.dialerNonce, parties.listenerNonce]);
  const derive = (role: string) => {
    const info = JSON.stringify(["ravn transport 1", role, parties.dialer, parties.listener]);
    return crypto.subtle.deriveKey(
      { name: "HKDF", hash: "SHA-256", salt, info: utf8.encode(info) },
      secret,
      { name: "HMAC", hash: "SHA-256", length: 256 },
      false,
      ["sign", "verify"],
    );
  };
  const [dialer, listener] = await Promise.all([derive("dialer"), derive("listener")]);
  return { dialer, listener };
}

/** HMAC-SHA256 of `bytes`. */
export async function sign(key: CryptoKey, bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.sign("HMAC", key, bytes));
}

/** True if `mac` is the HMAC-SHA256 of `bytes`; compares in constant time. */
export function verify(
  key: CryptoKey,
  mac: Uint8Array<ArrayBuffer>,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<boolean> {
  return crypto.subtle.verify("HMAC", key, mac, bytes);
}

/** All parts behind one another. */
export function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/**
 * A name for the run that says nothing about its token: where peers of one host find each other.
 * 16 hexadecimal digits.
 */
export async function tokenName(token: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", utf8.encode(`ravn socket ${token}`));
  return new Uint8Array(digest).toHex().slice(0, 16);
}
