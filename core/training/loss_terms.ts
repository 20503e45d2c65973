import type { Extent } from "../onnx/mod.ts";
import type { LossNodes } from "./loss_nodes.ts";

/** What every loss is written from. */
export interface LossTerms {
  /** Name of the model output. */
  readonly output: string;
  readonly dims: readonly Extent[];
  /** Name of the labels. */
  readonly labels: string;
  /** Whether the labels are class indices. */
  readonly indexed: boolean;
  /** Axis of the output that runs over the classes. */
  readonly axis: number;
  readonly scale: string;
  readonly opset: number;
  /** Where the nodes of the loss go. */
  readonly forward: LossNodes;
  /** Where the nodes of its gradient go. */
  readonly backward: LossNodes;
}

/** Names of the scalar loss and of its gradient by the output. */
export interface LossValues {
  readonly loss: string;
  readonly gradient: string;
}
