import { codecOf, Compressor } from "../compression/mod.ts";
import type { Codec, CodecConfig } from "../compression/mod.ts";
import { messageOf, RavnError } from "../error.ts";
import { dimsAt, elementCount } from "../onnx/mod.ts";
import { codecKernels, floatsOf } from "../runtime/mod.ts";
import type { Port } from "../training/mod.ts";
import type { TensorHead, TensorInfo } from "../../transport/mod.ts";
import type { Parcel } from "./stage_frames.ts";

/** A tensor of at most so many elements travels as it is. */
const SMALL_ELEMENTS = 64;

/** The tensors that one codec takes, and for how many samples at most. */
export interface PackingOptions {
  readonly config: CodecConfig;
  /** Tensors of one kind of message, of which float32 of samples are packed. */
  readonly parcels: readonly Parcel[];
  /** Largest micro-batch. */
  readonly batch: number;
}

function elementsAt({ dims }: Port, samples: number): number {
  return elementCount(dimsAt(dims, samples));
}

/** How a packed tensor is described on the wire: as bytes, of which both ends know the number. */
function packedInfo(name: string, byteLength: number): TensorInfo {
  return { name, dtype: "uint8", dims: [byteLength] };
}

/** Tensors of samples. What has no sample, as a tied weight that travels along, stays exact. */
function isPackable({ port: { dtype, dims } }: Parcel): boolean {
  return dtype === "float32" && dims.some((dim) => typeof dim !== "number");
}

/** A tensor of a message that is packed: where, and into how many bytes. */
interface Packed {
  readonly index: number;
  readonly byteLength: number;
  readonly compressor: Compressor;
}

/** The packed form of a message's tensors. */
interface PackedForm {
  readonly tensors: readonly TensorInfo[];
  readonly packed: readonly Packed[];
}

/** Packs the tensors of messages of one kind to one stage. */
export class Packer {
  readonly #codec: Codec;
  readonly #compressors: ReadonlyMap<string, Compressor>;
  readonly #batch: ReadonlyMap<string, number>;
  readonly #forms = new WeakMap<readonly TensorInfo[], PackedForm>();
  /** Memory that no message under way uses, for all packed tensors of one. */
  readonly #free: ReadonlyMap<string, Uint8Array>[] = [];

  constructor(codec: Codec, { config, parcels, batch }: PackingOptions) {
    this.#codec = codec;
    const feedback = config.type !== "none" && config.feedback;
    const packable = parcels.filter(isPackable);
    this.#batch = new Map(packable.map(({ name, port }) => [name, elementsAt(port, batch)]));
    this.#compressors = new Map(
      [...this.#batch].map((
        [name, elements],
      ) => [name, new Compressor({ codec, elements, feedback })]),
    );
  }

  /** Sends a message's tensors packed, in memory that is theirs until `send` resolves. */
  async send(
    head: TensorHead,
    data: readonly Uint8Array[],
    send: (head: TensorHead, data: readonly Uint8Array[]) => Promise<void>,
  ): Promise<void> {
    const { tensors, packed } = this.#formOf(head.tensors);
    if (packed.length === 0) return await send(head, data);
    const memory = this.#free.pop() ?? this.#allocate();
    const sent = [...data];
    for (const { index, byteLength, compressor } of packed) {
      const target = memory.get(tensors[index]!.name)!.subarray(0, byteLength);
      compressor.encode(floatsOf(data[index]!), target);
      sent[index] = target;
    }
    try {
      await send({ ...head, tensors }, sent);
    } finally {
      this.#free.push(memory);
    }
  }

  #formOf(raw: readonly TensorInfo[]): PackedForm {
    const known = this.#forms.get(raw);
    if (known !== undefined) return known;
    const packed = raw.flatMap(({ name, dims }, index) => {
      const compressor = this.#compressors.get(name);
      const elements = elementCount(dims);
      if (compressor === undefined || elements <= SMALL_ELEMENTS) return [];
      return [{ index, compressor, byteLength: this.#codec.byteLength(elements) }];
    });
    const tensors = [...raw];
    for (const { index, byteLength } of packed) {
      tensors[index] = packedInfo(raw[index]!.name, byteLength);
    }
    const form = { tensors, packed };
    this.#forms.set(raw, form);
    return form;
  }

  #allocate(): ReadonlyMap<string, Uint8Array> {
    return new Map([...this.#batch].map(([name, elements]) => {
      return [name, new Uint8Array(this.#codec.byteLength(elements))];
    }));
  }
}

/** A tensor that is arriving packed, and where it belongs. */
interface Arriving {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly target: Uint8Array;
}

/**
 * Unpacks the tensors of messages of one kind from one stage. A link brings one message after the
 * other, so one place a tensor is enough. Which tensors are packed is told by the message.
 */
export class Unpacker {
  readonly #codec: Codec;
  readonly #parcels: ReadonlyMap<string, Parcel>;
  readonly #batch: number;
  readonly #memory = new Map<string, Uint8Array>();
  #arriving: readonly Arriving[] = [];
  #head: TensorHead | undefined;

  constructor(codec: Codec, { parcels, batch }: PackingOptions) {
    this.#codec = codec;
    this.#parcels = new Map(
      parcels.filter(isPackable).map((parcel) => [parcel.name, parcel] as const),
    );
    this.#batch = batch;
  }

  /**
   * Where the bytes of a message belong.
   *
   * @param place where its tensors belong unpacked
   * @throws {RavnError} what `place` throws
   */
  place(head: TensorHead, place: (raw: TensorHead) => readonly Uint8Array[]): Uint8Array[] {
    const { samples } = head;
    const packed = head.tensors.map((info) => this.#packedAs(info, samples));
    const tensors = head.tensors.map((info, i) => packed[i] ?? info);
    this.#head = { ...head, tensors };
    const places = [...place(this.#head)];
    const arriving: Arriving[] = [];
    packed.forEach((info, i) => {
      if (info === undefined) return;
      const { name } = info;
      const bytes = this.#memoryOf(name).subarray(0, head.tensors[i]!.dims[0]);
      arriving.push({ name, bytes, target: places[i]! });
      places[i] = bytes;
    });
    this.#arriving = arriving;
    return places;
  }

  /**
   * Unpacks what has arrived and gives the message's head as if it had come unpacked.
   *
   * @param sender who sent it, for the message
   * @throws {RavnError} naming the tensor whose bytes no sender packs so
   */
  arrived(sender: string): TensorHead {
    for (const { name, bytes, target } of this.#arriving) {
      try {
        this.#codec.decode(bytes, floatsOf(target));
      } catch (thrown) {
        throw new RavnError(`${sender} sent "${name}" damaged: ${messageOf(thrown)}`, {
          exitCode: 1,
          cause: thrown,
        });
      }
    }
    this.#arriving = [];
    return this.#head!;
  }

  /** The tensor that comes as these bytes, where they are a packed one. */
  #packedAs({ name, dtype, dims }: TensorInfo, samples: number): TensorInfo | undefined {
    const parcel = this.#parcels.get(name);
    if (parcel === undefined || dtype !== "uint8" || dims.length !== 1) return undefined;
    const elements = elementsAt(parcel.port, samples);
    if (elements <= SMALL_ELEMENTS || dims[0] !== this.#codec.byteLength(elements)) {
      return undefined;
    }
    return { name, dtype: parcel.port.dtype, dims: dimsAt(parcel.port.dims, samples) };
  }

  #memoryOf(name: string): Uint8Array {
    let memory = this.#memory.get(name);
    if (memory === undefined) {
      const elements = elementsAt(this.#parcels.get(name)!.port, this.#batch);
      memory = new Uint8Array(this.#codec.byteLength(elements));
      this.#memory.set(name, memory);
    }
    return memory;
  }
}

/** Packs what goes by a codec; nothing where it is `none`. */
export function packerOf(o: PackingOptions): Packer | undefined {
  const codec = codecOf(o.config, codecKernels);
  return codec && new Packer(codec, o);
}

/** Unpacks what comes by a codec; nothing where it is `none`. */
export function unpackerOf(o: PackingOptions): Unpacker | undefined {
  const codec = codecOf(o.config, codecKernels);
  return codec && new Unpacker(codec, o);
}
