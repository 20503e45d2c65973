import type { NodeTrace, TracedMessage } from "./trace_events.ts";

/** A message as both ends saw it. */
export interface Crossing {
  readonly from: NodeTrace;
  readonly to: NodeTrace;
  readonly sent: TracedMessage;
  readonly came: TracedMessage;
}

/** What is to be added to a node's times. */
export interface Shift {
  /** µs from the node's clock to the common one. */
  readonly shift_us: number;
  /** The common clock is met to this many µs; absent where no message tells. */
  readonly within_us?: number;
}

/** Two nodes that tell each other the time: that of `b` is `ahead_us` ahead of that of `a`. */
interface Pair {
  readonly a: number;
  readonly b: number;
  readonly ahead_us: number;
  /** Half of the shortest way there and back: the error can be no larger. */
  readonly within_us: number;
}

/**
 * Pairs what was sent with what came. Messages of one kind arrive in the order in which they were
 * sent, so the n-th of a kind that came from a node is the n-th that it sent.
 */
export function crossingsOf(traces: readonly NodeTrace[]): Crossing[] {
  const named = new Map(traces.map((trace) => [trace.head.node, trace]));
  const leaving = new Map(traces.map((trace) => [trace, byPeerAndKind(trace, "sent")]));
  const crossings: Crossing[] = [];
  for (const to of traces) {
    for (const [peer, came] of byPeerAndKind(to, "came")) {
      const from = named.get(peer.slice(peer.indexOf(" ") + 1));
      const kind = peer.slice(0, peer.indexOf(" "));
      const sent = from && leaving.get(from)!.get(`${kind} ${to.head.node}`);
      if (from === undefined || sent === undefined) continue;
      // What a link sent is written when it is done, in order of its begin.
      const inOrder = sent.toSorted((a, b) => a.begin - b.begin);
      const count = Math.min(came.length, inOrder.length);
      for (let i = 0; i < count; i++) {
        crossings.push({ from, to, sent: inOrder[i]!, came: came[i]! });
      }
    }
  }
  return crossings;
}

/** Messages of a node by `kind peer`. */
function byPeerAndKind(
  { messages }: NodeTrace,
  type: TracedMessage["type"],
): Map<string, TracedMessage[]> {
  const own = messages.filter((message) => message.type === type);
  return Map.groupBy(own, ({ kind, peer }) => `${kind} ${peer}`);
}

/**
 * Brings the nodes' clocks together, as the Network Time Protocol does (RFC 5905, section 8).
 *
 * Message i of a to b takes d_i = arrival by b's clock − sending by a's = delay + (b − a), where
 * the delay is never negative. With the least d there (D_ab) and back (D_ba), b is ahead of a by
 *
 *   (D_ab − D_ba) / 2, with an error of (D_ab + D_ba) / 2 at most.
 *
 * Nodes that have no link to each other go over others: of all ways those with the least errors
 * (a minimum spanning tree). Where messages go one way only, or not at all, the clocks of the hosts
 * count as they are. That clocks run at different speeds is not corrected.
 */
export function alignClocks(
  traces: readonly NodeTrace[],
  crossings: readonly Crossing[],
): Map<NodeTrace, Shift> {
  const origin_ms = Math.min(...traces.map(({ head }) => head.origin_ms));
  const clock = (trace: NodeTrace) => (trace.head.origin_ms - origin_ms) * 1000;
  const shifts = new Map<number, { shift_us: number; within_us: number }>();
  const neighbours = Map.groupBy(
    spanningTree(pairsOf(traces, crossings, clock), traces.length).flatMap((pair) => [
      { at: pair.a, to: pair.b, ahead_us: pair.ahead_us, within_us: pair.within_us },
      { at: pair.b, to: pair.a, ahead_us: -pair.ahead_us, within_us: pair.within_us },
    ]),
    ({ at }) => at,
  );
  for (const first of traces.keys()) {
    if (shifts.has(first)) continue;
    shifts.set(first, { shift_us: 0, within_us: 0 });
    for (const waiting = [first]; waiting.length > 0;) {
      const at = waiting.pop()!;
      const { shift_us, within_us } = shifts.get(at)!;
      for (const { to, ahead_us, within_us: more } of neighbours.get(at) ?? []) {
        if (shifts.has(to)) continue;
        shifts.set(to, { shift_us: shift_us - ahead_us, within_us: within_us + more });
        waiting.push(to);
      }
    }
  }
  return new Map(traces.map((trace, i) => {
    const { shift_us, within_us } = shifts.get(i)!;
    const isTold = traces.length === 1 || neighbours.has(i);
    return [trace, { shift_us: clock(trace) + shift_us, ...(isTold ? { within_us } : {}) }];
  }));
}

function pairsOf(
  traces: readonly NodeTrace[],
  crossings: readonly Crossing[],
  clock: (trace: NodeTrace) => number,
): Pair[] {
  const place = new Map(traces.map((trace, i) => [trace, i]));
  const least = new Map<string, number>();
  for (const { from, to, sent, came } of crossings) {
    const way = `${place.get(from)} ${place.get(to)}`;
    const delay_us = came.begin + clock(to) - (sent.begin + clock(from));
    least.set(way, Math.min(least.get(way) ?? Infinity, delay_us));
  }
  const pairs: Pair[] = [];
  for (const [way, there_us] of least) {
    const [a, b] = way.split(" ").map(Number) as [number, number];
    const back_us = least.get(`${b} ${a}`);
    if (a > b || back_us === undefined) continue;
    const [ahead_us, within_us] = [(there_us - back_us) / 2, (there_us + back_us) / 2];
    pairs.push({ a, b, ahead_us, within_us });
  }
  return pairs;
}

/** The pairs with the least errors that link as many nodes as can be linked (Kruskal 1956). */
function spanningTree(pairs: readonly Pair[], count: number): Pair[] {
  const group = Array.from({ length: count }, (_, i) => i);
  return pairs.toSorted((x, y) => x.within_us - y.within_us).filter(({ a, b }) => {
    const [of, into] = [group[a]!, group[b]!];
    if (of === into) return false;
    for (const [i, each] of group.entries()) if (each === of) group[i] = into;
    return true;
  });
}
