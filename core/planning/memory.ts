/** What a stage holds and moves for one micro-batch, in bytes. */
export interface StageLoad {
  /** Trainable parameters. */
  readonly parameters: number;
  /** Running statistics and constants. */
  readonly buffers: number;
  /** Activations and model inputs that it reads and does not make. */
  readonly inputs: number;
  /** What its backward reads again: activations, indices, masks. */
  readonly stash: number;
  /** Gradients that its weights' gradients read, where these are put off. */
  readonly gradient_stash: number;
  /** Largest set of values and gradients that one operator works on. */
  readonly working: number;
  /** Activations that arrive from other stages, and the gradients sent back for them. */
  readonly received: number;
  readonly gradients_sent: number;
  /** Activations that leave for later stages, and the gradients that come back for them. */
  readonly sent: number;
  readonly gradients_received: number;
}

/** What decides how often a stage holds its load. */
export interface StageMemoryTerms {
  /** Micro-batches whose activations are kept, at most. */
  readonly outstanding: number;
  /** Micro-batches for which the gradients of the weights wait, at most; absent: none. */
  readonly deferred?: number;
  /** Versions of the weights that are kept at a time, the newest one among them. */
  readonly versions: number;
  /** Optimizer state tensors for each parameter: Adam 2, SGD with momentum 1, plain SGD 0. */
  readonly optimizer_slots: number;
  /** Copies of the parameters that averaging with other clusters needs; absent: none. */
  readonly averaging_copies?: number;
}

/** Memory of a stage by what it is for, bytes. */
export interface MemoryBreakdown {
  /** One version of the weights, running statistics and constants. */
  readonly parameters: number;
  readonly gradients: number;
  readonly optimizer: number;
  /** Further versions of the weights, kept for micro-batches under way. */
  readonly versions: number;
  readonly activations: number;
  /** Tensors on their way in and out. */
  readonly buffers: number;
  /** Copies of the parameters for averaging with other clusters. */
  readonly averaging: number;
  readonly total: number;
}

/**
 * Memory of a stage, bytes.
 *
 * With the activations of W micro-batches kept, V weight versions, s optimizer slots and c copies
 * for averaging: `P (1 + 1 + s + V - 1 + c) + activations + buffers`, where the activations are
 * `W · stash + working`, or with recompute `W · inputs + stash + working`. Where the gradients of
 * the weights of d micro-batches wait, `d · gradient_stash` comes on top, and with recompute
 * `d · stash` too.
 */
export function stageMemory(
  load: StageLoad,
  terms: StageMemoryTerms,
  recompute: boolean,
): MemoryBreakdown {
  const parts = {
    parameters: load.parameters + load.buffers,
    gradients: load.parameters,
    optimizer: load.parameters * terms.optimizer_slots,
    versions: load.parameters * (terms.versions - 1),
    activations: activationBytes(load, terms, recompute),
    buffers: load.received + load.gradients_sent + load.sent + load.gradients_received,
    averaging: load.parameters * (terms.averaging_copies ?? 0),
  };
  return { ...parts, total: Object.values(parts).reduce((sum, bytes) => sum + bytes, 0) };
}

/** `stageMemory(…).total`, without making an object: cutting asks millions of times. */
export function stageMemoryTotal(
  load: StageLoad,
  terms: StageMemoryTerms,
  recompute: boolean,
): number {
  const copies = 1 + terms.optimizer_slots + terms.versions + (terms.averaging_copies ?? 0);
  return load.parameters * copies + load.buffers +
    activationBytes(load, terms, recompute) +
    load.received + load.gradients_sent + load.sent + load.gradients_received;
}

function activationBytes(
  { inputs, stash, gradient_stash, working }: StageLoad,
  { outstanding, deferred = 0 }: StageMemoryTerms,
  recompute: boolean,
): number {
  const kept = recompute ? outstanding * inputs + (1 + deferred) * stash : outstanding * stash;
  return kept + deferred * gradient_stash + working;
}
