import type { Tensor } from "../onnx/mod.ts";

/** The graphs of a stage as ONNX files. */
export type StageModels = {
  readonly [graph in "forward" | "backward" | "weights" | "step" | "evaluate"]?: Uint8Array;
};

/** How many copies of a stage's buffers a schedule needs. */
export interface SlotCounts {
  /** Micro-batches under way in the whole pipeline: copies of what arrives. */
  readonly inFlight: number;
  /** Micro-batches that this stage keeps until their backward: copies of stash and outputs. */
  readonly outstanding: number;
  /** Validation batches under way. */
  readonly validation: number;
  /** Copies of what the gradients of the weights read, where these are put off. */
  readonly deferred?: {
    /** Of what arrives. */
    readonly arrived: number;
    /** Of what forward leaves, and of the gradients that arrive. */
    readonly stashed: number;
    /** Of what backward (or step) leaves. */
    readonly left: number;
  } | undefined;
}

/** How the last stage runs a micro-batch. */
export interface StepOptions {
  /** Share of this micro-batch in its update. */
  readonly scale: number;
  /** Whether it opens an update: its gradients replace the last update's, or are added. */
  readonly first: boolean;
}

/** A result that is there at once on the CPU and must be awaited on another device. */
export type Eventual<T> = T | Promise<T>;

/**
 * Runs the graphs of one stage, on whichever device. One operation at a time; the caller keeps the
 * order. What stages exchange lies in host memory, which is allocated once: the methods that return
 * bytes tell where, for micro-batch `m` or validation slot `slot` of `samples` samples.
 */
export interface StageEngine extends AsyncDisposable {
  /**
   * Copies of the gradients to send back: the one of micro-batch m is used again by m plus this.
   */
  readonly gradientSlots: number;
  /** Where the value of an input port (or relay) belongs. */
  input(m: number, value: string, samples: number): Uint8Array;
  /** Where forward leaves an output. */
  output(m: number, value: string, samples: number): Uint8Array;
  /** Where the gradient that comes back under the name `gradient` belongs. */
  gradientIn(m: number, gradient: string, samples: number): Uint8Array;
  /** Where backward leaves the gradient to send back. */
  gradientOut(m: number, gradient: string, samples: number): Uint8Array;
  /** Where the input port (or relay) of a validation batch belongs. */
  validationInput(slot: number, value: string, samples: number): Uint8Array;
  /** Where the evaluation leaves an output, the model's own included. */
  validationOutput(slot: number, value: string, samples: number): Uint8Array;
  /** Runs forward with the weights in buffer `weights`. */
  forward(m: number, samples: number, weights: number): Promise<void>;
  /**
   * Runs backward; its gradients become those of the update (`first`) or are added. Where those of
   * the weights have a graph of their own, backward makes only what is sent back.
   */
  backward(m: number, samples: number, weights: number, first: boolean): Promise<void>;
  /** Runs the gradients of the weights that backward or step left out, as backward does. */
  weightGradients(m: number, samples: number, weights: number, first: boolean): Promise<void>;
  /** Runs forward, loss and backward of the last stage; returns the micro-batch's mean loss. */
  step(m: number, samples: number, weights: number, options: StepOptions): Promise<number>;
  /** Runs a validation batch; returns its mean loss on the last stage. */
  evaluate(slot: number, samples: number, weights: number): Promise<number | undefined>;
  /** Keeps the running statistics as they are now for the validations that begin now. */
  keepStatistics(): Eventual<void>;
  /** A copy of the running statistics by name. */
  statistics(): Eventual<Map<string, Tensor>>;
  /** Puts other values in the place of some running statistics, by name. */
  replaceStatistics(values: ReadonlyMap<string, Float32Array>): Eventual<void>;
}

/** When an update of a stage's weights happens, and how. */
export interface UpdateAt {
  /** Learning rate of parameters without a rate of their own. */
  readonly rate: number;
  /** Number of the update, from 0. */
  readonly update: number;
  /** Factor on the gradients; 1 if absent. */
  readonly gradientScale?: number | undefined;
}

/** The weights of a stage in all versions that are in use, with gradients and optimizer state. */
export interface StageWeights extends Disposable {
  /** Makes the weights of buffer `to` from those of `from` and the gradients. */
  update(from: number, to: number, at: UpdateAt): Eventual<void>;
  /** The sum of the squares of all gradients of the update that comes next. */
  squaredNorm(): Eventual<number>;
  /** A copy of all weights in `buffer`, by name. */
  tensors(buffer: number): Eventual<Map<string, Tensor>>;
  /** The bytes of all weights in `buffer`, by name, to be read at once: on the host no copy. */
  views(buffer: number): Eventual<ReadonlyMap<string, Uint8Array>>;
  /** Puts other values in the place of all weights in `buffer`, by name. */
  replace(buffer: number, values: ReadonlyMap<string, Float32Array>): Eventual<void>;
  /** A copy of the optimizer's state: by slot, as `optimizerSlots` has them, and parameter. */
  state(): Eventual<readonly ReadonlyMap<string, Tensor>[]>;
  /** Puts other values in the place of a slot of the optimizer's state, by parameter. */
  replaceState(slot: number, values: ReadonlyMap<string, Float32Array>): Eventual<void>;
  /** A copy of the gradients of the last update, by parameter name; for tests. */
  gradients(): Eventual<Map<string, Tensor>>;
}
