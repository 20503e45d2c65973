/**
 * Writes `OPERATORS.md` from the registry of gradients.
 *
 * `deno run -A docs/operators.ts`
 */
import { operatorCounts, operatorTitle, opsetText } from "../cli/operator_table.ts";
import { type OperatorInfo, operators } from "../core/autodiff/mod.ts";
import { OPSETS } from "../core/onnx/mod.ts";

/** Where the page stands. */
export const PAGE = new URL("OPERATORS.md", import.meta.url);

const DOMAINS: readonly [domain: string, title: string][] = [
  ["", "ONNX's default domain"],
  ["com.microsoft", "com.microsoft"],
  ["com.microsoft.nchwc", "com.microsoft.nchwc"],
];

const HEAD = ["operator", "opset", "gradient", "why"];

const INTRODUCTION = `# Operators

What happens to gradients at every operator that ravn reads: those of ONNX's default domain and
those that ONNX Runtime adds. \`ravn inspect --operators\` prints the same, and
\`ravn inspect model.onnx\` looks at one model.

- **differentiable**: there is a rule, tested against finite differences.
- **zero**: no gradient flows through it, as the derivative is zero wherever there is one.
- **refused**: an error that names node, operator and reason, where a gradient would have to pass.
  The operator may stand anywhere else: in shape arithmetic, in what data pass before the first
  parameter.

This page is written by \`deno run -A docs/operators.ts\`.
`;

/** The page, as \`deno fmt\` lays it out. */
export function operatorsPage(): string {
  const infos = operators();
  const { differentiable, zero, refused } = operatorCounts(infos);
  const sections = DOMAINS.map(([domain, title]) => {
    const own = infos.filter((info) => info.domain === domain);
    return `\n## ${title}\n\n${table(own).join("\n")}\n`;
  });
  const counts = `Opset ${OPSETS.oldest} to ${OPSETS.newest}: ${differentiable} differentiable, ` +
    `${zero} zero, ${refused} refused.\n`;
  return `${INTRODUCTION}\n${counts}${sections.join("")}`;
}

/** A Markdown table with columns of one width. */
function table(infos: readonly OperatorInfo[]): string[] {
  const rows = infos.map((info) => [
    `\`${operatorTitle(info)}\``,
    opsetText(info),
    info.kind,
    info.reason ?? "",
  ]);
  const widths = HEAD.map((title, i) =>
    Math.max(...[title, ...rows.map((row) => row[i]!)].map((cell) => [...cell].length))
  );
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, i) => cell + " ".repeat(widths[i]! - [...cell].length)).join(" | ")} |`;
  return [line(HEAD), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)];
}

if (import.meta.main) await Deno.writeTextFile(PAGE, operatorsPage());
