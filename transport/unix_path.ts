import { messageOf } from "../core/error.ts";
import { tokenName } from "./keys.ts";

/** Most systems take 104 or 108 bytes for the path of a Unix socket. */
const PATH_BYTES_MAX = 100;

/** Where peers of one host meet, or why they cannot. */
export type UnixPath =
  | { readonly path: string; readonly directory: string }
  | { readonly path?: undefined; readonly reason: string };

/**
 * The path of the Unix socket of whoever listens on TCP port `port` of this host in the run with
 * this token. It lies in a folder that only this user can enter.
 */
export async function unixPath(token: string, port: number): Promise<UnixPath> {
  const user = Deno.build.os === "windows" ? null : Deno.uid();
  if (user === null) return { reason: "this system has no Unix sockets" };
  const name = `${await tokenName(token)}-${port}.sock`;
  const runtime = Deno.env.get("XDG_RUNTIME_DIR");
  const bases = runtime ? [runtime, "/tmp"] : ["/tmp"];
  for (const base of bases) {
    const directory = `${base}/ravn-${user}`;
    const path = `${directory}/${name}`;
    if (new TextEncoder().encode(path).length <= PATH_BYTES_MAX && isDirectory(base)) {
      return { path, directory };
    }
  }
  return { reason: `${bases[0]} cannot hold a socket` };
}

/** Makes the folder if need be; returns why it must not be used, or undefined. */
export function prepareDirectory(directory: string): string | undefined {
  try {
    Deno.mkdirSync(directory, { mode: 0o700 });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) return messageOf(error);
  }
  return checkDirectory(directory);
}

/** Why a folder is not a private one of this user, or undefined if it is. */
export function checkDirectory(directory: string): string | undefined {
  try {
    const { isDirectory, uid, mode } = Deno.lstatSync(directory);
    if (!isDirectory) return `${directory} is not a folder`;
    if (uid !== Deno.uid()) return `${directory} belongs to another user`;
    if (((mode ?? 0o777) & 0o077) !== 0) return `${directory} is open to others`;
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

function isDirectory(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}
