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
  /** Micro-batches forwarded and not yet brought back, at most. */
  readonly outstanding: number;
  /** Versions of the weights that are kept at a time, the newest one among them. */
  readonly versions: number;
  /** Optimizer state tensors for each parameter: Adam 2, SGD with momentum 1, plain SGD 0. */
  readonly optimizer_slots: number;
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
  readonly total: number;
}

/**
 * Memory of a stage, bytes.
 *
 * With W micro-batches outstanding, V weight versions and s optimizer slots:
 * `P (1 + 1 + s + V - 1) + activations + buffers`, where the activations are `W · stash + working`,
 * or with recompute `W · inputs + stash + working`.
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
    activations: activationBytes(load, terms.outstanding, recompute),
    buffers: load.received + load.gradients_sent + load.sent + load.gradients_received,
  };
  return { ...parts, total: Object.values(parts).reduce((sum, bytes) => sum + bytes, 0) };
}

/** `stageMemory(…).total`, without making an object: cutting asks millions of times. */
export function stageMemoryTotal(
  load: StageLoad,
  terms: StageMemoryTerms,
  recompute: boolean,
): number {
  return load.parameters * (1 + terms.optimizer_slots + terms.versions) + load.buffers +
    activationBytes(load, terms.outstanding, recompute) +
    load.received + load.gradients_sent + load.sent + load.gradients_received;
}

function activationBytes(load: StageLoad, outstanding: number, recompute: boolean): number {
  const kept = recompute ? outstanding * load.inputs + load.stash : outstanding * load.stash;
  return kept + load.working;
}
