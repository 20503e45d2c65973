/** What links carry: the heads of tensors, and control messages. */
import type { DType } from "../core/onnx/tensor.ts";
import * as wire from "./gen/transport.ts";

/** What tensors are for. */
export type Kind = typeof wire.Kind[number];

/** What a control message asks or tells. */
export type ControlKind = typeof wire.ControlKind[number];

/** An element type that may cross a link: those of ONNX except strings. */
export type WireDType = typeof wire.DType[number] & DType;

/**
 * One tensor as both ends know it. Its bytes are `dims` elements of `dtype`, little-endian,
 * packed.
 */
export interface TensorInfo {
  readonly name: string;
  readonly dtype: DType;
  readonly dims: readonly number[];
}

/** Everything about a set of tensors but their bytes. */
export interface TensorHead {
  readonly kind: Kind;
  readonly microBatch: number;
  readonly step: number;
  readonly weightVersion: number;
  /** Samples in this micro-batch. */
  readonly samples: number;
  readonly tensors: readonly TensorInfo[];
}

/** A small message beside the tensors. It keeps its place among them. */
export interface Control {
  readonly kind: ControlKind;
  readonly step: number;
  readonly epoch: number;
  readonly values: readonly number[];
  readonly text: string;
}

/** Both ends of a link, and who they are to each other. */
export interface Identity {
  /** As in the node files: `"node_2"`. */
  readonly nodeId: string;
  /** Where it listens: `"0.0.0.0:8082"`. */
  readonly address: string;
}
