import type { OperatorInfo } from "../core/autodiff/mod.ts";

/** An operator's name with its domain, but for ONNX's default one. */
export function operatorTitle({ op, domain }: Pick<OperatorInfo, "op" | "domain">): string {
  return domain === "" ? op : `${domain}.${op}`;
}

/** The versions of the operator set that an entry speaks of: `8+`, `9–10` or `7`. */
export function opsetText({ since, until }: OperatorInfo): string {
  if (until === undefined) return `${since}+`;
  return since === until ? `${since}` : `${since}–${until}`;
}

/** How many operators there are of each kind; one with several entries counts as the best. */
export function operatorCounts(
  infos: readonly OperatorInfo[],
): Readonly<Record<OperatorInfo["kind"], number>> {
  const counts = { differentiable: 0, zero: 0, refused: 0 };
  const seen = new Set<string>();
  for (const kind of ["differentiable", "zero", "refused"] as const) {
    for (const info of infos) {
      const title = operatorTitle(info);
      if (info.kind !== kind || seen.has(title)) continue;
      seen.add(title);
      counts[kind]++;
    }
  }
  return counts;
}
