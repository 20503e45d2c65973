import type { Crossing, Shift } from "./trace_clocks.ts";
import type { NodeTrace, TracedMessage, TracedWork } from "./trace_events.ts";
import { waitsOf } from "./trace_waits.ts";
import type { Wait } from "./trace_waits.ts";

/**
 * An event of the Trace Event Format, which Perfetto (ui.perfetto.dev) and `chrome://tracing` read:
 * `X` a slice of time, `s` and `f` the two ends of an arrow, `M` a name. Times in µs.
 */
export interface ChromeEvent {
  readonly ph: "X" | "s" | "f" | "M";
  readonly name: string;
  readonly pid: number;
  readonly tid: number;
  readonly cat?: string;
  readonly ts?: number;
  readonly dur?: number;
  readonly id?: number;
  /** Ties an arrow's end to the slice around it. */
  readonly bp?: "e";
  readonly args?: Readonly<Record<string, string | number>>;
}

/** A slice before it has a track. */
interface Slice {
  readonly name: string;
  readonly begin: number;
  readonly end: number;
  readonly args: Readonly<Record<string, string | number>>;
  readonly message?: TracedMessage;
}

/** Kinds of message with which clusters average; they have tracks of their own. */
const AVERAGING = ["reduce", "gather"];

/** What a message carries, by the kind that it has on the wire. */
const CARRIES: Readonly<Record<string, string>> = {
  forward: "activations",
  backward: "gradients",
  evaluate: "validation",
};

/** Tracks of a node from top to bottom; what may overlap takes as many as it needs. */
const TRACKS = ["compute", "waiting", "sending", "receiving", "averaging"] as const;

/** Each kind of track has room for so many beside each other. */
const LANES = 100;

/** Slices of no length do not show, and hold no arrow. */
const SHORTEST_US = 0.1;

/** The joined trace: a process a node, tracks for what it does, an arrow for each message. */
export function* chromeEvents(
  traces: readonly NodeTrace[],
  shifts: ReadonlyMap<NodeTrace, Shift>,
  crossings: readonly Crossing[],
): Generator<ChromeEvent> {
  const tids = new Map<TracedMessage, number>();
  const pids = new Map(traces.map((trace, i) => [trace, i + 1]));
  for (const trace of traces) {
    const pid = pids.get(trace)!;
    const { node, cluster, stage, stages } = trace.head;
    const title = `${node}: cluster ${cluster}, stage ${stage + 1} of ${stages}`;
    yield { ph: "M", name: "process_name", pid, tid: 0, args: { name: title } };
    yield { ph: "M", name: "process_sort_index", pid, tid: 0, args: { sort_index: pid } };
    const { shift_us } = shifts.get(trace)!;
    for (const [number, slices] of tracksOf(trace).entries()) {
      yield* laneEvents({ pid, number, slices, shift_us, tids });
    }
  }
  for (const [id, { from, to, sent, came }] of crossings.entries()) {
    const name = CARRIES[came.kind] ?? came.kind;
    const end = (trace: NodeTrace, message: TracedMessage) => ({
      pid: pids.get(trace)!,
      tid: tids.get(message)!,
      ts: tenths(message.begin + shifts.get(trace)!.shift_us),
    });
    yield { ph: "s", cat: "message", name, id, ...end(from, sent) };
    yield { ph: "f", cat: "message", name, id, bp: "e", ...end(to, came) };
  }
}

/** What each of `TRACKS` shows of a node, in the order of the slices' begin. */
function tracksOf(trace: NodeTrace): Iterable<Slice>[] {
  const { works, messages } = trace;
  const isAveraging = ({ kind }: TracedMessage) => AVERAGING.includes(kind);
  const of = (type: TracedMessage["type"]) =>
    messages.filter((message) => message.type === type && !isAveraging(message));
  const waits = waitsOf(trace).filter((wait) => wait.for !== "switching");
  const averages = [...roundsOf(works), ...messages.filter(isAveraging)];
  return [
    slicesOf(works, workSlice),
    slicesOf(waits, waitSlice),
    slicesOf(of("sent"), messageSlice),
    slicesOf(of("came"), messageSlice),
    slicesOf(averages, (each) => "kind" in each ? messageSlice(each) : each),
  ];
}

/** One slice after the other: all of them would take more memory than what they are made of. */
function* slicesOf<T extends { readonly begin: number }>(
  things: readonly T[],
  slice: (thing: T) => Slice,
): Generator<Slice> {
  for (const thing of things.toSorted((a, b) => a.begin - b.begin)) yield slice(thing);
}

function workSlice({ work, of, begin, end }: TracedWork): Slice {
  return { name: `${work} ${of}`, begin, end, args: { of } };
}

function waitSlice({ for: what, peer, before, begin, end }: Wait): Slice {
  const args = { before: `${before.work} ${before.of}`, from: peer ?? "" };
  return { name: what, begin, end, args };
}

function messageSlice(message: TracedMessage): Slice {
  const { type, kind, peer, of, bytes, begin, end } = message;
  const way = type === "sent" ? "to" : "from";
  const name = `${CARRIES[kind] ?? kind} ${of} ${way} ${peer}`;
  return { name, begin, end, args: { peer, of, bytes }, message };
}

/** Rounds of averaging: from where a stage gives its weights until it takes the mean over. */
function roundsOf(works: readonly TracedWork[]): Slice[] {
  const rounds: Slice[] = [];
  let reduce: TracedWork | undefined;
  for (const work of works) {
    if (work.work === "reduce") reduce = work;
    if (work.work !== "adopt" || reduce === undefined) continue;
    const name = `average of update ${reduce.of}`;
    rounds.push({ name, begin: reduce.begin, end: work.end, args: { of: reduce.of } });
    reduce = undefined;
  }
  return rounds;
}

/** Slices on as many tracks as it takes for none to overlap another. */
function* laneEvents(o: {
  readonly pid: number;
  /** Which of `TRACKS`. */
  readonly number: number;
  /** In the order of their begin. */
  readonly slices: Iterable<Slice>;
  readonly shift_us: number;
  /** Takes down on which track each message lies. */
  readonly tids: Map<TracedMessage, number>;
}): Generator<ChromeEvent> {
  const { pid, number, shift_us, tids } = o;
  const track = TRACKS[number]!;
  const ends: number[] = [];
  for (const slice of o.slices) {
    const ts = tenths(slice.begin + shift_us);
    const dur = Math.max(SHORTEST_US, tenths(slice.end + shift_us - ts));
    const free = ends.findIndex((end) => end <= ts);
    const lane = free >= 0 ? free : ends.length;
    const tid = number * LANES + lane + 1;
    if (lane === ends.length) {
      const name = lane === 0 ? track : `${track} (${lane + 1})`;
      yield { ph: "M", name: "thread_name", pid, tid, args: { name } };
      yield { ph: "M", name: "thread_sort_index", pid, tid, args: { sort_index: tid } };
    }
    ends[lane] = ts + dur;
    if (slice.message !== undefined) tids.set(slice.message, tid);
    yield { ph: "X", cat: track, name: slice.name, pid, tid, ts, dur, args: slice.args };
  }
}

/** µs to a tenth. */
function tenths(us: number): number {
  return Math.round(us * 10) / 10;
}
