import type { Crossing, Shift } from "./trace_clocks.ts";
import type { NodeTrace } from "./trace_events.ts";
import { waitsOf } from "./trace_waits.ts";
import type { Wait } from "./trace_waits.ts";

/** How often something happened and how long it took in all. */
export interface Tally {
  readonly count: number;
  /** All of them together. */
  readonly us: number;
  /** The one in the middle. */
  readonly median_us: number;
}

/** What one stage did with the time of its cluster. */
export interface StageSummary {
  readonly node: string;
  readonly cluster: number;
  readonly stage: number;
  /** From the first operation of the cluster to its last, in µs. */
  readonly span_us: number;
  readonly busy_us: number;
  /** Share of the span in which the stage ran nothing. */
  readonly bubble: number;
  /** What it ran, by the kind of operation. */
  readonly works: Readonly<Record<string, Tally>>;
  /** What it waited for. `ends`: before its first operation, and after its last one. */
  readonly waits: Readonly<Partial<Record<Wait["for"] | "ends", Tally>>>;
  /** Its clock is brought to the others' to this many µs; absent where no message tells. */
  readonly clock_within_us?: number;
}

/** What went over a link in one direction. */
export interface LinkSummary {
  readonly from: string;
  readonly to: string;
  readonly kind: string;
  readonly messages: number;
  readonly bytes: number;
  /** From being given to the link until all of it was there: the middle of all messages, in µs. */
  readonly delay_us: number;
}

/** Shares of time of all stages, by cluster and stage. */
export function summarize(
  traces: readonly NodeTrace[],
  shifts: ReadonlyMap<NodeTrace, Shift>,
): StageSummary[] {
  const spans = new Map([...Map.groupBy(traces, ({ head }) => head.cluster)].map(
    ([cluster, members]) => [cluster, spanOf(members, shifts)],
  ));
  return traces.map((trace) => {
    const { node, cluster, stage } = trace.head;
    const { begin, end } = spans.get(cluster)!;
    const { shift_us, within_us } = shifts.get(trace)!;
    const { works } = trace;
    const waits = waitsOf(trace);
    const [first, last] = [works.at(0), works.at(-1)];
    const span_us = end - begin;
    const busy_us = works.reduce((sum, work) => sum + work.end - work.begin, 0);
    const ends_us = first === undefined || last === undefined
      ? span_us
      : (first.begin + shift_us - begin) + (end - last.end - shift_us);
    return {
      node,
      cluster,
      stage,
      span_us,
      busy_us,
      bubble: span_us > 0 ? 1 - busy_us / span_us : 0,
      works: tallied(works, ({ work }) => work),
      waits: {
        ...tallied(waits, (wait) => wait.for),
        ends: { count: 1, us: ends_us, median_us: ends_us },
      },
      ...(within_us === undefined ? {} : { clock_within_us: within_us }),
    };
  });
}

/** From the first operation of any of the stages to the last, in µs of the common clock. */
function spanOf(
  traces: readonly NodeTrace[],
  shifts: ReadonlyMap<NodeTrace, Shift>,
): { readonly begin: number; readonly end: number } {
  let [begin, end] = [Infinity, -Infinity];
  for (const trace of traces) {
    const { shift_us } = shifts.get(trace)!;
    const [first, last] = [trace.works.at(0), trace.works.at(-1)];
    if (first === undefined || last === undefined) continue;
    begin = Math.min(begin, first.begin + shift_us);
    end = Math.max(end, last.end + shift_us);
  }
  return begin < end ? { begin, end } : { begin: 0, end: 0 };
}

function tallied<T extends { readonly begin: number; readonly end: number }, K extends string>(
  things: readonly T[],
  kindOf: (thing: T) => K,
): Record<K, Tally> {
  const kinds = [...Map.groupBy(things, kindOf)].map(([kind, all]) => {
    const lengths = all.map(({ begin, end }) => end - begin);
    const us = lengths.reduce((sum, length) => sum + length, 0);
    return [kind, { count: all.length, us, median_us: middle(lengths) }] as const;
  });
  return Object.fromEntries(kinds) as Record<K, Tally>;
}

/** The middle of some values, of which there is at least one. */
function middle(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

/** What crossed each link, by kind of message. */
export function summarizeLinks(
  crossings: readonly Crossing[],
  shifts: ReadonlyMap<NodeTrace, Shift>,
): LinkSummary[] {
  const links = Map.groupBy(
    crossings,
    ({ from, to, came }) => `${from.head.node} ${to.head.node} ${came.kind}`,
  );
  return [...links.values()].map((all) => {
    const { from, to, came: { kind } } = all[0]!;
    const ahead_us = shifts.get(to)!.shift_us - shifts.get(from)!.shift_us;
    const delays = all.map(({ sent, came }) => came.end - sent.begin + ahead_us);
    return {
      from: from.head.node,
      to: to.head.node,
      kind,
      messages: all.length,
      bytes: all.reduce((sum, { came }) => sum + came.bytes, 0),
      delay_us: middle(delays),
    };
  });
}
