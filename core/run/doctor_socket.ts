import type { Link, TensorHead } from "../../transport/mod.ts";
import { EXIT, RavnError } from "../error.ts";
import { openLoopback } from "./loopback.ts";

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
  await using ends = await openLoopback("doctor");
  const { outward, inward, address } = ends;
  await sendAcross(outward, inward);
  return { via: outward.via, address };
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
