import type { EvalReport } from "../core/run/requests.ts";
import { grouped } from "./table.ts";

/** Metrics on one line: `accuracy=97.22 % loss=0.0069 samples=719`. */
export function scoreText(report: EvalReport): string {
  const parts: string[] = [];
  const { accuracy, sequenceAccuracy } = report;
  if (accuracy !== undefined) parts.push(`accuracy=${accuracy.toFixed(2)} %`);
  if (sequenceAccuracy !== undefined) parts.push(`sequences=${sequenceAccuracy.toFixed(2)} %`);
  if (report.loss !== undefined) parts.push(`loss=${report.loss.toFixed(4)}`);
  parts.push(`samples=${grouped(report.samples)}`);
  return parts.join(" ");
}
