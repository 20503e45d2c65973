import type { LinkSummary, StageSummary } from "./trace_summary.ts";

/** Join what the nodes of a run with `--trace` have written down. */
export interface TraceRequest {
  /** Folder of the run, or one into which the nodes' trace files were copied. */
  readonly folder: string;
  /** File to write. */
  readonly out: string;
}

/** What the stages of a run did with their time. */
export interface TraceReport {
  /** The joined trace. */
  readonly file: string;
  /** Files that it was made of. */
  readonly traces: readonly string[];
  readonly stages: readonly StageSummary[];
  readonly links: readonly LinkSummary[];
}
