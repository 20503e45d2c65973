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

/** Reads `host:port`; undefined where the text is not such an address. Hosts become lower case. */
export function parseAddress(text: string): Address | undefined {
  const match = /^(?:\[(?<ipv6>[^\]]*)\]|(?<name>[^:[\]]*)):(?<port>[1-9]\d{0,4})$/.exec(text);
  if (match?.groups === undefined) return undefined;
  const port = Number(match.groups["port"]);
  if (port > 65535) return undefined;
  const ipv6 = match.groups["ipv6"];
  if (ipv6 !== undefined) {
    const host = canonicalIPv6(ipv6);
    return host === undefined ? undefined : { host, port, text: `[${host}]:${port}` };
  }
  const host = match.groups["name"]!.toLowerCase();
  if (!NAME.test(host) || isBadIPv4(host)) return undefined;
  return { host, port, text: `${host}:${port}` };
}

/** Hosts that name the machine itself, or all of its interfaces. */
const LOCAL_HOST = /^(?:localhost|0\.0\.0\.0|127(?:\.\d+){3}|::|::1)$/;

/** True when two addresses certainly lie on one machine, so that no network is between them. */
export function sameHost(a: Address, b: Address): boolean {
  return a.host === b.host || (LOCAL_HOST.test(a.host) && LOCAL_HOST.test(b.host));
}
