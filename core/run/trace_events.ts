import { z } from "zod";

/** Version of the files that a traced run leaves. */
const FORMAT = 1;

/** First line of a trace file: whose it is, and when its clock stood at 0. */
export const headLine = z.object({
  trace: z.literal(FORMAT),
  node: z.string(),
  cluster: z.number().int().nonnegative(),
  stage: z.number().int().nonnegative(),
  stages: z.number().int().positive(),
  /** Time of the node's own clock at 0 µs, in ms since 1970. */
  origin_ms: z.number(),
});

/** An operation that a stage ran, from `begin` to `end`, in µs of the node's clock. */
const workLine = z.object({
  type: z.literal("work"),
  work: z.string(),
  /** Micro-batch, update or validation batch, from 0. */
  of: z.number().int().nonnegative(),
  begin: z.number(),
  end: z.number(),
});

/** A message that left (`sent`) or came (`came`). */
const messageLine = z.object({
  type: z.enum(["sent", "came"]),
  kind: z.string(),
  /** The node at the other end. */
  peer: z.string(),
  /** Micro-batch, update, validation batch or piece, from 0. */
  of: z.number().int().nonnegative(),
  bytes: z.number().int().nonnegative(),
  /** When it was given to the link, or when its first bytes came. */
  begin: z.number(),
  /** When its memory was free again, or when all of it was there. */
  end: z.number(),
});

/** The run began: its name, which all stages of a cluster have in common. */
const begunLine = z.object({ type: z.literal("begun"), run: z.string() });

/** A line of a trace file but its first. */
export const eventLine = z.discriminatedUnion("type", [workLine, messageLine, begunLine]);

/** @see headLine */
export type TraceHead = z.infer<typeof headLine>;
/** @see workLine */
export type TracedWork = z.infer<typeof workLine>;
/** @see messageLine */
export type TracedMessage = z.infer<typeof messageLine>;
/** @see eventLine */
export type TraceEvent = z.infer<typeof eventLine>;

/** What one node did: a trace file that has been read. */
export interface NodeTrace {
  readonly file: string;
  readonly head: TraceHead;
  /** Name of the run; absent where the node ended before it began. */
  readonly run?: string;
  /** In the order of their begin. One ends before the next begins. */
  readonly works: readonly TracedWork[];
  /** By the end of each. */
  readonly messages: readonly TracedMessage[];
}

/** The first line of a trace file. */
export function headOf(head: Omit<TraceHead, "trace">): string {
  return JSON.stringify({ trace: FORMAT, ...head });
}

/** Milliseconds of `performance.now()` as µs to a tenth, as trace files have them. */
export function traceTime(ms: number): number {
  return Math.round(ms * 1e4) / 10;
}
