import type { Control, Link, Receiver, TensorHead } from "../../transport/mod.ts";
import type { RunTrace } from "./run_trace.ts";
import type { TracedMessage } from "./trace_events.ts";

/** The same links; every message that crosses one is written into `trace`, if there is one. */
export function tracedLinks<K>(
  links: ReadonlyMap<K, Link>,
  trace: RunTrace | undefined,
): ReadonlyMap<K, Link> {
  if (trace === undefined) return links;
  return new Map([...links].map(([key, link]) => [key, tracedLink(link, trace)]));
}

/** The same link; every message that crosses it is written into `trace`. */
function tracedLink(link: Link, trace: RunTrace): Link {
  const peer = link.peer.nodeId;
  /** Writes the message down once `send` has resolved; nothing where it could not be sent. */
  const sending = async (
    message: Pick<TracedMessage, "kind" | "of" | "bytes">,
    send: () => Promise<void>,
  ): Promise<void> => {
    const begin = performance.now();
    await send();
    trace.message({ type: "sent", peer, ...message, begin, end: performance.now() });
  };
  return {
    peer: link.peer,
    via: link.via,
    closed: link.closed,
    get traffic() {
      return link.traffic;
    },
    start: (receiver) => link.start(tracedReceiver(receiver, peer, trace)),
    send: (head, data) =>
      sending(
        { kind: head.kind, of: head.microBatch, bytes: sizeOf(data) },
        () => link.send(head, data),
      ),
    control: (message) =>
      sending(
        { kind: message.kind, of: numberOf(message), bytes: 0 },
        () => link.control(message),
      ),
    look: () => link.look(),
    close: (o) => link.close(o),
    fail: (message) => link.fail(message),
  };
}

function tracedReceiver(receiver: Receiver, peer: string, trace: RunTrace): Receiver {
  const coming = new Map<TensorHead, { readonly begin: number; readonly bytes: number }>();
  return {
    place(head) {
      const begin = performance.now();
      const places = receiver.place(head);
      coming.set(head, { begin, bytes: sizeOf(places) });
      return places;
    },
    arrived(head) {
      const end = performance.now();
      const { begin, bytes } = coming.get(head) ?? { begin: end, bytes: 0 };
      coming.delete(head);
      const { kind, microBatch: of } = head;
      trace.message({ type: "came", kind, peer, of, bytes, begin, end });
      receiver.arrived(head);
    },
    control(message) {
      const at = performance.now();
      const [kind, of] = [message.kind, numberOf(message)];
      trace.message({ type: "came", kind, peer, of, bytes: 0, begin: at, end: at });
      receiver.control(message);
    },
  };
}

/** Which update, or which batch of a validation, a control message is about. */
function numberOf({ kind, step, epoch }: Control): number {
  return kind === "evaluated" ? epoch : step;
}

function sizeOf(data: readonly Uint8Array[]): number {
  return data.reduce((sum, { byteLength }) => sum + byteLength, 0);
}
