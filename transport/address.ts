import { RavnError } from "../core/error.ts";

/** A host and a port. */
export interface Address {
  /** A name or an IP address; an IPv6 address without its brackets. */
  readonly host: string;
  readonly port: number;
}

/**
 * Parses `host:port`. IPv6 addresses stand in brackets: `[::1]:8080`.
 *
 * @throws {RavnError} when it is not of that form.
 */
export function parseAddress(text: string): Address {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:\[\]\s]+)):(\d{1,5})$/.exec(text.trim());
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || !(port <= 65535)) {
    throw new RavnError(
      `"${text}" is not an address; write host:port, like 192.168.1.7:8080 or [::1]:8080`,
    );
  }
  return { host, port };
}

/** The text that {@linkcode parseAddress} parses. */
export function formatAddress({ host, port }: Address): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** True for the hosts that stand for every interface of a machine. */
function isAnyHost(host: string): boolean {
  return host === "0.0.0.0" || host === "::";
}

/** The host to connect to: a node that listens on every interface is on this machine. */
export function dialHost(host: string): string {
  return isAnyHost(host) ? "127.0.0.1" : host;
}

/** True if `host` is this machine, which has the interface addresses `own`. */
export function isLocal(host: string, own: readonly string[]): boolean {
  return isAnyHost(host) || host === "localhost" || host === "::1" || host.startsWith("127.") ||
    own.includes(host);
}
