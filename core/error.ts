/** Exit codes of the command line; documented in `docs/cli.md`. */
export const EXIT = {
  ok: 0,
  /** Something failed while running: a peer was lost, the loss became NaN, a file is damaged. */
  failure: 1,
  /** The command line, the configuration or an input file is wrong. */
  usage: 2,
  /** A check ended without a verdict: the time was too short, or nothing could be measured. */
  incomplete: 3,
  /** Stopped by Ctrl-C. */
  interrupted: 130,
} as const;

/**
 * A failure that a user can cause and mend. The message is one line: what happened, where, what was
 * expected, and what to try next. The command line prints it without a stack trace.
 */
export class RavnError extends Error {
  override readonly name = "RavnError";
  /** Exit code of the process when this error ends it. */
  readonly exitCode: number;

  constructor(message: string, options: { exitCode?: number; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.exitCode = options.exitCode ?? EXIT.usage;
  }
}

/** The message of anything that was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
