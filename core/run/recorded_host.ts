import type { RunEvent, RunHost } from "./events.ts";
import type { MetricsFiles } from "./metrics_files.ts";

/** What a node keeps of its events. The others are of use only while a run goes on. */
const KEPT: Readonly<Partial<Record<RunEvent["event"], true>>> = {
  begin: true,
  update: true,
  validation: true,
  average: true,
  saved: true,
  lost: true,
  end: true,
  traffic: true,
  warning: true,
};

/** So many events are kept from before there is a file; later ones are only told. */
const EARLY_MAX = 1000;

/** A host that passes events on and keeps them. */
export interface RecordedHost extends RunHost {
  /** From now on events go into `files` too, after those that have been told already. */
  keepIn(files: MetricsFiles): void;
}

/**
 * The same host, with a record of what one node tells: `metrics.jsonl`. A run has no files before
 * it begins; what it tells until then is held back, and comes first.
 */
export function recordedHost({ emit, signal, command }: RunHost): RecordedHost {
  const early: string[] = [];
  let files: MetricsFiles | undefined;
  return {
    signal,
    command,
    emit(event) {
      if (event.event in KEPT) {
        const line = JSON.stringify(event);
        if (files !== undefined) files.line("events", line);
        else if (early.length < EARLY_MAX) early.push(line);
      }
      emit(event);
    },
    keepIn(made) {
      files = made;
      for (const line of early.splice(0)) files.line("events", line);
    },
  };
}
