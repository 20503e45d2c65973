/** What one node has sent to another, in bytes of tensors. */
export interface LinkBytes {
  readonly from: string;
  readonly to: string;
  /** Activations and data of training, gradients that go back, or batches of validations. */
  readonly content: "forward" | "backward" | "validation";
  readonly messages: number;
  /** Bytes as the tensors lie in memory. */
  readonly bytes_raw: number;
  /** Bytes as they went over the link. */
  readonly bytes_sent: number;
}

/** Something a run tells while it goes on. Epochs and updates count from 1. */
export type RunEvent =
  /** `node` cannot reach `peer` yet and tries again; `attempt` counts from 1. */
  | {
    readonly event: "waiting";
    readonly node: string;
    readonly peer: string;
    readonly address: string;
    readonly attempt: number;
  }
  /** `node` has loaded stage `stage` (from 0) of `stages` and is linked to its peers. */
  | {
    readonly event: "ready";
    readonly node: string;
    readonly stage: number;
    readonly stages: number;
    readonly threads: number;
    readonly device: string;
  }
  /** Training begins: `updates` in all, over `samples` samples an epoch. */
  | {
    readonly event: "begin";
    readonly epochs: number;
    readonly updates: number;
    readonly batch_size: number;
    readonly samples: number;
  }
  /** An update of the weights: `loss` is the mean over the `samples` it was computed from. */
  | {
    readonly event: "update";
    readonly update: number;
    readonly epoch: number;
    readonly loss: number;
    readonly samples: number;
    readonly samples_per_s: number;
    readonly lr: number;
  }
  /** A pass over the validation set; `accuracy` in percent, absent where there are no classes. */
  | {
    readonly event: "validation";
    readonly epoch: number;
    readonly update: number;
    readonly accuracy?: number;
    readonly loss: number;
    readonly samples: number;
  }
  /**
   * `node` has taken over an average of the clusters that was begun after `update`. It had all of
   * it after `ms`; for `waited_ms` of that it could do nothing else. Bytes are those of the sums
   * that it sent, without heads: as they were, and as they would be in float32.
   */
  | {
    readonly event: "average";
    readonly node: string;
    readonly update: number;
    readonly ms: number;
    readonly waited_ms: number;
    readonly bytes_sent: number;
    readonly bytes_raw: number;
  }
  /** `node` has written its trained stage to `file`. */
  | { readonly event: "saved"; readonly node: string; readonly file: string }
  /** `node` has lost `peer` while it expected `expected` of it. */
  | {
    readonly event: "lost";
    readonly node: string;
    readonly peer: string;
    readonly address: string;
    readonly expected: string;
  }
  /** Training has ended after `updates` updates. */
  | {
    readonly event: "end";
    readonly updates: number;
    readonly wall_s: number;
    readonly steps_per_s: number;
    /** Sums over the averages of the node that tells this; absent where there were none. */
    readonly averaging?: AveragingSums;
  }
  /** At the end: what stages have sent each other. */
  | { readonly event: "traffic"; readonly links: readonly LinkBytes[] }
  /** Something the user should know about; the run goes on. */
  | { readonly event: "warning"; readonly message: string }
  /** A step worth a line. */
  | { readonly event: "log"; readonly message: string };

/** What a node's averages with other clusters have taken, all together. */
export interface AveragingSums {
  readonly averages: number;
  readonly ms: number;
  readonly waited_ms: number;
  readonly bytes_sent: number;
  readonly bytes_raw: number;
}

/** What a run needs of whoever starts it: the command line, or a test. */
export interface RunHost {
  /** Receives every event, in order; must not throw. */
  readonly emit: (event: RunEvent) => void;
  /** Aborted when the user stops the run: finish the update, save, and return. */
  readonly signal: AbortSignal;
  /** Program and arguments that start this command line again, e.g. for a provider process. */
  readonly command: readonly string[];
}

const NAMES: Readonly<Record<RunEvent["event"], true>> = {
  waiting: true,
  ready: true,
  begin: true,
  update: true,
  validation: true,
  average: true,
  saved: true,
  lost: true,
  end: true,
  traffic: true,
  warning: true,
  log: true,
};

/**
 * The event of one line of `--json` output, or undefined where the line is something else.
 * Only the event's name is checked: lines come from another process of the same version.
 */
export function parseEvent(line: string): RunEvent | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    const value: unknown = JSON.parse(line);
    return isEvent(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isEvent(value: unknown): value is RunEvent {
  return typeof value === "object" && value !== null && "event" in value &&
    typeof value.event === "string" && Object.hasOwn(NAMES, value.event);
}
