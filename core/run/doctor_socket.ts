import { dial, type Link, listen, type TensorHead } from "../../transport/mod.ts";
import { EXIT, RavnError } from "../error.ts";

/** Both ends are in this process, so a second is long. */
const DEADLINE_MS = 5_000;

const HEAD: TensorHead = {
  kind: "forward",
  microBatch: 0,
  step: 0,
  weightVersion: 0,
  samples: 1,
  tensors: [{ name: "x", dtype: "float32", dims: [1, 256] }],
};

/**
 * Opens a port on the loopback interface, joins it as a peer would, and sends a tensor across.
 *
 * @returns the way the tensor took, e.g. `"unix"`, and the address
 * @throws {RavnError} where the port cannot be opened, or the tensor does not arrive as it was sent
 */
export async function sendToSelf(): Promise<{ via: string; address: string }> {
  const token = crypto.randomUUID();
  const session = (nodeId: string, address: string) => ({
    self: { nodeId, address },
    token,
    runHash: "0".repeat(64),
  });
  const accepted = Promise.withResolvers<Link>();
  const listener = await listen({
    session: session("doctor_0", "127.0.0.1:0"),
    host: "127.0.0.1",
    port: 0,
    onLink: accepted.resolve,
    onRefused: accepted.reject,
  });
  try {
    const outward = await dial({
      session: session("doctor_1", "127.0.0.1:0"),
      peer: { nodeId: "doctor_0", address: listener.address },
      deadline_ms: DEADLINE_MS,
    });
    const inward = await accepted.promise;
    await sendAcross(outward, inward);
    await Promise.all([outward.close(), inward.close()]);
    return { via: outward.via, address: listener.address };
  } finally {
    listener.close();
  }
}

async function sendAcross(outward: Link, inward: Link): Promise<void> {
  const sent = new Uint8Array(1024).map((_, i) => i * 7);
  const received = new Uint8Array(sent.length);
  const arrived = Promise.withResolvers<void>();
  const nothing = () => {};
  inward.start({ place: () => [received], arrived: () => arrived.resolve(), control: nothing });
  outward.start({ place: () => [], arrived: nothing, control: nothing });
  inward.closed.then((closed) => arrived.reject("error" in closed ? closed.error : closed.reason));
  await outward.send(HEAD, [sent]);
  await arrived.promise;
  if (sent.every((byte, i) => byte === received[i])) return;
  throw new RavnError("a tensor arrived with other bytes than were sent", {
    exitCode: EXIT.failure,
  });
}
