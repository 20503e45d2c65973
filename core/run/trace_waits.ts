import type { NodeTrace, TracedMessage, TracedWork } from "./trace_events.ts";

/** What a stage waits for. `switching`: for nothing but its own turn from one thing to the next. */
export const WAITS = [
  "activations",
  "gradients",
  "norm",
  "average",
  "validation",
  "switching",
] as const;

/** A stretch of time in which a stage ran nothing, in µs of the node's clock. */
export interface Wait {
  readonly for: typeof WAITS[number];
  /** Whose message ended it. */
  readonly peer?: string;
  /** The work that came next. */
  readonly before: TracedWork;
  readonly begin: number;
  readonly end: number;
}

/** What a kind of work cannot begin without. */
interface Need {
  readonly for: Wait["for"];
  readonly kinds: readonly string[];
  /** Whether the message is about the same micro-batch or update. */
  readonly same?: true;
}

const ACTIVATIONS: Need = { for: "activations", kinds: ["forward"], same: true };
const NEEDS: Readonly<Record<string, readonly Need[]>> = {
  forward: [ACTIVATIONS],
  step: [ACTIVATIONS],
  backward: [{ for: "gradients", kinds: ["backward"], same: true }],
  validate: [{ for: "validation", kinds: ["evaluate", "evaluated"] }],
  update: [
    { for: "norm", kinds: ["norm"], same: true },
    { for: "validation", kinds: ["evaluate", "evaluated"] },
  ],
  adopt: [{ for: "average", kinds: ["reduce", "gather"] }],
};

/**
 * The time between a stage's operations, by what it waited for: until the last message came that
 * the next operation needs, the stage waited for that; from then on it was switching (waking up,
 * handling messages).
 */
export function waitsOf({ works, messages }: NodeTrace): Wait[] {
  const came = messages.filter(({ type }) => type === "came");
  const waits: Wait[] = [];
  let [end, first] = [works[0]?.begin ?? 0, 0];
  for (const before of works) {
    while (first < came.length && came[first]!.end <= end) first++;
    if (before.begin > end) waits.push(...split(end, before, lastNeeded(came, first, before)));
    end = before.end;
  }
  return waits;
}

/** The last message that came before `work` and that it needs. */
function lastNeeded(
  came: readonly TracedMessage[],
  first: number,
  work: TracedWork,
): { readonly message: TracedMessage; readonly need: Need } | undefined {
  const needs = NEEDS[work.work] ?? [];
  let last: { message: TracedMessage; need: Need } | undefined;
  for (let i = first; i < came.length && came[i]!.end <= work.begin; i++) {
    const message = came[i]!;
    const need = needs.find(({ kinds, same }) =>
      kinds.includes(message.kind) && (same !== true || message.of === work.of)
    );
    if (need !== undefined) last = { message, need };
  }
  return last;
}

function split(begin: number, before: TracedWork, last: ReturnType<typeof lastNeeded>): Wait[] {
  if (last === undefined) return [{ for: "switching", before, begin, end: before.begin }];
  const { message: { end, peer }, need } = last;
  const waits: Wait[] = [{ for: need.for, peer, before, begin, end }];
  if (before.begin > end) waits.push({ for: "switching", before, begin: end, end: before.begin });
  return waits;
}
