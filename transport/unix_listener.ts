import { messageOf } from "../core/error.ts";
import { prepareDirectory, unixPath } from "./unix_path.ts";

/** A listening Unix socket, or why there is none. */
export type UnixListener =
  | { readonly listener: Deno.UnixListener; readonly path: string }
  | { readonly listener?: undefined; readonly reason: string };

/**
 * Listens for peers of this host that dial TCP port `port`, which the caller holds: a socket file
 * there is left over from a process that has died, unless somebody still answers on it.
 */
export async function listenUnix(token: string, port: number): Promise<UnixListener> {
  const place = await unixPath(token, port);
  if (place.path === undefined) return { reason: place.reason };
  const objection = prepareDirectory(place.directory);
  if (objection !== undefined) return { reason: objection };
  const { path } = place;
  try {
    return { listener: Deno.listen({ transport: "unix", path }), path };
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse)) return { reason: messageOf(error) };
  }
  if (await answers(path)) return { reason: `${path} is in use` };
  try {
    Deno.removeSync(path);
    return { listener: Deno.listen({ transport: "unix", path }), path };
  } catch (error) {
    return { reason: messageOf(error) };
  }
}

async function answers(path: string): Promise<boolean> {
  try {
    const conn = await Deno.connect({ transport: "unix", path });
    conn.close();
    return true;
  } catch {
    return false;
  }
}

/** Removes the file of a socket that this process listened on. */
export function closeUnix(path: string): void {
  try {
    Deno.removeSync(path);
  } catch {
    // It is gone already.
  }
}
