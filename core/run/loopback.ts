import { createShared, openShared } from "../runtime/mod.ts";
import { dial, listen } from "../../transport/mod.ts";
import type { Link } from "../../transport/mod.ts";

/** Both ends are in this process, so a second is long. */
const DEADLINE_MS = 5_000;

/** Two ends of one link, as between two processes of this machine. */
export interface Loopback extends AsyncDisposable {
  readonly outward: Link;
  readonly inward: Link;
  /** Where the door was, for messages. */
  readonly address: string;
}

/**
 * Opens a port on the loopback interface and joins it as a peer would.
 *
 * @throws {RavnError} where the port cannot be opened or joined
 */
export async function openLoopback(name: string): Promise<Loopback> {
  const token = crypto.randomUUID();
  const session = (nodeId: string) => ({
    self: { nodeId, address: "127.0.0.1:0" },
    token,
    runHash: "0".repeat(64),
  });
  const memory = { create: createShared, open: openShared };
  const accepted = Promise.withResolvers<Link>();
  const listener = await listen({
    session: session(`${name}_0`),
    host: "127.0.0.1",
    port: 0,
    memory,
    onLink: accepted.resolve,
    onRefused: accepted.reject,
  });
  try {
    const peer = { nodeId: `${name}_0`, address: listener.address };
    const joined = dial({ session: session(`${name}_1`), peer, deadline_ms: DEADLINE_MS, memory });
    const [outward, inward] = await Promise.all([joined, accepted.promise]);
    return {
      outward,
      inward,
      address: listener.address,
      [Symbol.asyncDispose]: async () => {
        await Promise.all([outward.close(), inward.close()]);
      },
    };
  } finally {
    await listener.close();
  }
}
