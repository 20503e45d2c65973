import { RavnError } from "./error.ts";

/** A place where a node listens. */
export interface Address {
  /** Host name or IP address; an IPv6 address without its brackets. */
  readonly host: string;
  readonly port: number;
  /** `host:port`, with brackets around an IPv6 host. */
  readonly text: string;
}

/** What an address looks like, for error messages. */
export const ADDRESS_FORM = '"host:port" with a port of 1 to 65535 (IPv6 as "[host]:port")';

const NAME =
  /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*$/;

/** Hosts that stand for all interfaces of a machine. */
const ANY_HOST = /^(?:0\.0\.0\.0|::)$/;

/** Hosts that name the machine itself, or all of its interfaces. */
const LOCAL_HOST = /^(?:localhost|0\.0\.0\.0|127(?:\.\d+){3}|::|::1)$/;

/** The IPv6 address in its shortest form (RFC 5952), or undefined where it is not one. */
function canonicalIPv6(host: string): string | undefined {
  if (!/^[0-9a-f:.]+$/i.test(host)) return undefined;
  const url = URL.parse(`http://[${host}]/`);
  return url === null ? undefined : url.hostname.slice(1, -1);
}

/** True where every label is a number: then it must be a whole IPv4 address, not a name. */
function isBadIPv4(host: string): boolean {
  if (!/^[0-9.]+$/.test(host)) return false;
  const parts = host.split(".");
  return parts.length !== 4 ||
    parts.some((part) => !/^(0|[1-9]\d{0,2})$/.test(part) || +part > 255);
}

/** `host:port`, with brackets around an IPv6 host. */
export function formatAddress({ host, port }: Pick<Address, "host" | "port">): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Reads `host:port`; undefined where the text is not such an address. Hosts become lower case. */
export function parseAddress(text: string): Address | undefined {
  const match = /^(?:\[(?<ipv6>[^\]]*)\]|(?<name>[^:[\]]*)):(?<port>[1-9]\d{0,4})$/.exec(text);
  if (match?.groups === undefined) return undefined;
  const port = Number(match.groups["port"]);
  if (port > 65535) return undefined;
  const { ipv6, name } = match.groups;
  const host = ipv6 === undefined ? name!.toLowerCase() : canonicalIPv6(ipv6);
  if (host === undefined) return undefined;
  if (ipv6 === undefined && (!NAME.test(host) || isBadIPv4(host))) return undefined;
  return { host, port, text: formatAddress({ host, port }) };
}

/**
 * Reads `host:port` where nothing else may stand.
 *
 * @throws {RavnError} when it is not of that form
 */
export function readAddress(text: string): Address {
  const address = parseAddress(text);
  if (address === undefined) {
    throw new RavnError(`"${text}" is not an address; expected ${ADDRESS_FORM}`);
  }
  return address;
}

/** The host to connect to: a node that listens on every interface is on this machine. */
export function dialHost(host: string): string {
  return ANY_HOST.test(host) ? "127.0.0.1" : host;
}

/** True if `host` is this machine, which has the interface addresses `own`. */
export function isLocal(host: string, own: readonly string[]): boolean {
  return LOCAL_HOST.test(host) || own.includes(host);
}

/** True when two addresses certainly lie on one machine, so that no network is between them. */
export function sameHost(a: Address, b: Address): boolean {
  return a.host === b.host || (LOCAL_HOST.test(a.host) && LOCAL_HOST.test(b.host));
}
