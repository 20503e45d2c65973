import { byteCount } from "../core/onnx/tensor.ts";
import { RavnError } from "../core/error.ts";
import * as wire from "./gen/transport.ts";
import type { Limits } from "./limits.ts";
import type { Control, TensorHead, TensorInfo } from "./message.ts";
import type { Piece } from "./tensor_template.ts";

/**
 * Cuts tensors into what goes into one frame after another, each of at most `most` bytes, a
 * multiple of 8. One frame is the rule; there is one even for no tensors, and for tensors without
 * bytes.
 */
export function cutIntoFrames(tensors: readonly TensorInfo[], most: number): Piece[][] {
  const totals = tensors.map(({ dtype, dims }) => byteCount(dtype, dims));
  const sent = totals.map(() => 0);
  const frames: Piece[][] = [];
  do {
    let room = most;
    frames.push(totals.map((total, i) => {
      const offset = sent[i]!;
      const byteLength = Math.min(total - offset, room);
      sent[i] = offset + byteLength;
      // The rest of the room is lost to padding at worst.
      room = Math.max(0, room - Math.ceil(byteLength / 8) * 8);
      return { offset, byteLength };
    }));
  } while (sent.some((bytes, i) => bytes < totals[i]!));
  return frames;
}

/**
 * @throws {RavnError} when tensors cannot go into a frame: too many, or of a type that stays home.
 */
export function checkTensors(tensors: readonly TensorInfo[], limits: Limits): void {
  const refuse = (what: string) => {
    throw new RavnError(
      `cannot send ${what}; send them as several messages, or reshape them first`,
    );
  };
  if (tensors.length > limits.tensors) {
    refuse(`${tensors.length} tensors at once: a message carries at most ${limits.tensors}`);
  }
  const dtypes: readonly string[] = wire.DType;
  for (const { name, dtype, dims } of tensors) {
    if (!dtypes.includes(dtype)) refuse(`tensor ${name}: elements of type ${dtype} stay home`);
    if (dims.length > limits.rank) refuse(`tensor ${name} of rank ${dims.length}`);
    // UTF-8 takes at most 3 bytes for one UTF-16 unit.
    if (name.length * 3 > limits.text_bytes) {
      refuse(`a tensor with a name of ${name.length} letters`);
    }
    for (const dim of dims) {
      if (!Number.isInteger(dim) || dim < 0 || dim >= 2 ** 32) {
        refuse(`tensor ${name} of shape [${dims}]: its dimensions must be integers from 0 to 2^32`);
      }
    }
  }
}

/**
 * @throws {RavnError} when a buffer is not as long as its tensor, or a number of the head is none.
 */
export function checkSend(
  head: TensorHead,
  lengths: readonly number[],
  data: readonly Uint8Array[],
): void {
  const { microBatch, step, weightVersion, samples } = head;
  const counts = isCount(microBatch) && isCount(step) && isCount(weightVersion);
  if (!counts || !isCount(samples) || samples >= 2 ** 32) {
    throw new RavnError(
      `cannot send ${head.kind} tensors of micro-batch ${microBatch}, step ${step}, weight ` +
        `version ${weightVersion}, ${samples} samples: these must be integers from 0`,
    );
  }
  if (data.length !== lengths.length) {
    throw new RavnError(`cannot send ${lengths.length} tensors with ${data.length} buffers`);
  }
  for (let i = 0; i < lengths.length; i++) {
    if (data[i]!.byteLength === lengths[i]) continue;
    const { name, dims, dtype } = head.tensors[i]!;
    throw new RavnError(
      `cannot send tensor ${name} of ${dtype} [${dims}]: its buffer has ${data[i]!.byteLength} ` +
        `bytes, ${lengths[i]} were expected`,
    );
  }
}

/** @throws {RavnError} when a control message is longer than a peer accepts. */
export function checkControl(control: Control, limits: Limits): void {
  const { kind, step, epoch, values, text } = control;
  if (!isCount(step) || !isCount(epoch)) {
    throw new RavnError(`cannot send "${kind}" of step ${step}, epoch ${epoch}: integers from 0`);
  }
  if (values.length > limits.values || text.length * 3 > limits.text_bytes) {
    throw new RavnError(
      `cannot send "${kind}" with ${values.length} values and ${text.length} letters: a message ` +
        `has at most ${limits.values} values and ${Math.floor(limits.text_bytes / 3)} letters`,
    );
  }
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
