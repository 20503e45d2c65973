import { RavnError } from "../error.ts";
import type { Node } from "../onnx/mod.ts";
import { operators } from "./rules/mod.ts";

const NEAREST_MAX = 4;

/** The error for a node whose operator has no rule: names it and what comes near it. */
export function refusal(node: Node, opset: number): RavnError {
  const full = node.domain === "" ? node.op : `${node.domain}.${node.op}`;
  const known = operators().filter(({ kind }) => kind !== "none");
  const near = known
    .map(({ op }) => ({ op, distance: editDistance(op.toLowerCase(), node.op.toLowerCase()) }))
    .toSorted((a, b) => a.distance - b.distance)
    .slice(0, NEAREST_MAX)
    .map(({ op }) => op);
  return new RavnError(
    `no gradient for operator ${full} (opset ${opset}) at node "${node.name}"; ` +
      `${known.length} operators are known, nearest: ${[...new Set(near)].join(", ")}; ` +
      "see all with: ravn inspect --operators",
  );
}

/** Levenshtein's distance: insertions, deletions and substitutions from `a` to `b`. */
export function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substitution, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
