/**
 * What training costs beyond its operators, as measured on one machine. Times are those of a core
 * at work; they are for the machine on which operators were timed.
 */
export interface Overheads {
  /** Cores that a stage keeps busy while it computes: processor time over wall time. */
  readonly cores_used: number;
  /** Time of a step on one thread over that on as many as it was timed with; absent: not known. */
  readonly one_thread?: number;
  /**
   * Factor on the processor time of a stage while the other cores are busy with other stages, which
   * share caches, memory or a physical core with it: 1 where none do.
   */
  readonly contention: number;
  /**
   * Time of a step in two stages over that in one, where they do not compute at the same time:
   * graphs of their own for forward and backward, and memory of their own; absent: not known.
   */
  readonly cut?: number;
  /** A micro-batch on a stage, however small its graphs: order, bindings, data, reports. */
  readonly micro_batch_ms: number;
  /** What comes to that where the stage has been waiting: it is woken, and its caches are cold. */
  readonly wake_ms: number;
  /** An update in the process that started the providers and shows what they tell. */
  readonly report_ms: number;
  /** A message at each of its ends, however small. */
  readonly message_ms: number;
  /** Each MiB of a message at each of its ends. */
  readonly message_mib_ms: number;
  /** An update of the weights, for each million of trained numbers. */
  readonly update_million_ms: number;
  /** The way between two processes of the machine. */
  readonly local: { readonly bandwidth_mbps: number; readonly latency_ms: number };
}
