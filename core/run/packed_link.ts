import type { CompressionConfig } from "../compression/mod.ts";
import { byteCount } from "../onnx/mod.ts";
import type { StageManifest } from "../training/mod.ts";
import type { Control, Link, Receiver, TensorHead } from "../../transport/mod.ts";
import type { LinkBytes } from "./events.ts";
import { packerOf, unpackerOf } from "./packing.ts";
import type { Packer, Unpacker } from "./packing.ts";
import { exchangeWith } from "./stage_frames.ts";

const NONE: CompressionConfig = {
  activations: { type: "none" },
  gradients: { type: "none" },
  averaging: { type: "none" },
};

/** Kinds of messages between stages. */
type Counted = "forward" | "backward" | "evaluate";

interface Counts {
  messages: number;
  bytes_raw: number;
  bytes_sent: number;
}

/** Whose links they are, and how tensors cross them. */
export interface PackedLinksOptions {
  /** Name of the node. */
  readonly node: string;
  readonly manifest: StageManifest;
  /** As they are if absent. */
  readonly compression?: CompressionConfig | undefined;
}

type Packs<T> = Partial<Record<TensorHead["kind"], T>>;

/**
 * The link to another stage as the stage's mail sees it: tensors go in and come out as they lie in
 * memory, and cross as the run's compression says. What forward made travels by the codec of
 * `activations`, what goes back by that of `gradients`; model inputs, labels and validation batches
 * as they are. It counts what it sends.
 */
export class PackedLink implements Link {
  readonly #link: Link;
  readonly #node: string;
  readonly #packers: Packs<Packer>;
  readonly #unpackers: Packs<Unpacker>;
  readonly #sent = new Map<Counted, Counts>();

  /** @param stage the other one */
  constructor(
    link: Link,
    stage: number,
    { node, manifest, compression = NONE }: PackedLinksOptions,
  ) {
    this.#link = link;
    this.#node = node;
    const { batch, outputs } = manifest;
    const { activations, gradients } = compression;
    const { sends, receives, gradientsIn, gradientsOut } = exchangeWith(manifest, stage);
    const made = new Set(outputs.map(({ value }) => value));
    const parcels = sends.filter(({ name }) => made.has(name));
    this.#packers = defined({
      forward: packerOf({ config: activations, batch, parcels }),
      backward: packerOf({ config: gradients, batch, parcels: gradientsOut }),
    });
    this.#unpackers = defined({
      forward: unpackerOf({ config: activations, batch, parcels: receives }),
      backward: unpackerOf({ config: gradients, batch, parcels: gradientsIn }),
    });
  }

  /** What was sent, by content; messages without tensors do not count. */
  get sent(): readonly LinkBytes[] {
    const [from, to] = [this.#node, this.peer.nodeId];
    return [...this.#sent].map(([kind, counts]) => {
      const content = kind === "evaluate" ? "validation" as const : kind;
      return { from, to, content, ...counts };
    });
  }

  get peer(): Link["peer"] {
    return this.#link.peer;
  }

  get via(): Link["via"] {
    return this.#link.via;
  }

  get closed(): Link["closed"] {
    return this.#link.closed;
  }

  get traffic(): Link["traffic"] {
    return this.#link.traffic;
  }

  start(receiver: Receiver): void {
    const { nodeId, address } = this.peer;
    const sender = `${nodeId} at ${address}`;
    this.#link.start({
      place: (head) => {
        const unpacker = this.#unpackers[head.kind];
        if (unpacker === undefined) return receiver.place(head);
        return unpacker.place(head, (raw) => receiver.place(raw));
      },
      arrived: (head) => receiver.arrived(this.#unpackers[head.kind]?.arrived(sender) ?? head),
      control: (message) => receiver.control(message),
    });
  }

  send(head: TensorHead, data: readonly Uint8Array[]): Promise<void> {
    const packer = this.#packers[head.kind];
    const count = (sent: readonly Uint8Array[]) => this.#count(head, sent);
    if (packer === undefined) {
      count(data);
      return this.#link.send(head, data);
    }
    return packer.send(head, data, (packed, sent) => {
      count(sent);
      return this.#link.send(packed, sent);
    });
  }

  control(message: Control): Promise<void> {
    return this.#link.control(message);
  }

  look(): void {
    this.#link.look();
  }

  close(o?: { reason?: string }): Promise<void> {
    return this.#link.close(o);
  }

  fail(message: string): Promise<void> {
    return this.#link.fail(message);
  }

  #count({ kind, tensors }: TensorHead, sent: readonly Uint8Array[]): void {
    if (tensors.length === 0) return;
    if (kind !== "forward" && kind !== "backward" && kind !== "evaluate") return;
    const counts = this.#sent.get(kind) ?? { messages: 0, bytes_raw: 0, bytes_sent: 0 };
    this.#sent.set(kind, counts);
    counts.messages++;
    tensors.forEach(({ dtype, dims }, i) => {
      counts.bytes_raw += byteCount(dtype, dims);
      counts.bytes_sent += sent[i]!.byteLength;
    });
  }
}

function defined<T>(packs: Record<string, T | undefined>): Packs<T> {
  return Object.fromEntries(Object.entries(packs).filter(([, pack]) => pack !== undefined));
}

/** The links of a stage, over which tensors cross as the compression says. */
export function packedLinks(
  links: ReadonlyMap<number, Link>,
  options: PackedLinksOptions,
): ReadonlyMap<number, PackedLink> {
  return new Map([...links].map(([stage, link]) => [stage, new PackedLink(link, stage, options)]));
}
