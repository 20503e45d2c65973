import type { OperatorInfo } from "../core/autodiff/mod.ts";
import { RavnError } from "../core/error.ts";
import type { InspectReport, NodeRow, TensorRow } from "../core/run/requests.ts";
import { operatorCounts, operatorTitle, opsetText } from "./operator_table.ts";
import type { Terminal } from "./output.ts";
import { type Column, grouped, shapeText } from "./table.ts";
import { verb } from "./verb.ts";

/** `inspect` describes a model, or all operators that ravn knows. */
export type InspectOptions =
  | { readonly what: "operators" }
  | { readonly what: "model"; readonly model: string; readonly nodes: boolean };

type Flags = { nodes?: true; operators?: true };

/** `ravn inspect [model.onnx]` */
export const inspect = verb<InspectOptions>({
  examples: [
    ["ravn inspect model.onnx", "inputs, outputs, parameters, and which operators can be trained"],
    ["ravn inspect model.onnx --nodes", "every node of the graph"],
    ["ravn inspect model.onnx --json", "the same for a program to read"],
    ["ravn inspect --operators", "every operator of ONNX: has it a gradient, and if not, why"],
  ],
  declare: (command) =>
    command
      .argument("[model.onnx]", "model to describe")
      .option("--nodes", "list every node, not only how many there are of an operator")
      .option("--operators", "list what is known of every operator, without a model"),
  read: (command) => {
    const [model] = command.args;
    const { nodes = false, operators = false } = command.opts<Flags>();
    if (!operators && model !== undefined) return { what: "model", model, nodes };
    if (operators && model === undefined && !nodes) return { what: "operators" };
    throw new RavnError(
      operators
        ? "--operators lists what is known of all operators: leave the model and --nodes out"
        : "which model? name a file, or give --operators; see 'ravn inspect --help'",
    );
  },
  run: async (options, { engine, terminal }) => {
    if (options.what === "operators") return printOperators(terminal, await engine.operators());
    const report = await engine.inspect({ model: options.model });
    terminal.event({ event: "model", ...report });
    printPorts(terminal, report);
    terminal.table(TENSORS, report.parameters);
    terminal.line(`${grouped(elements(report.parameters))} elements in parameters\n`);
    for (const { name, why } of report.fixed) terminal.line(`not trained: ${name} (${why})`);
    if (options.nodes) terminal.table(NODES, report.nodes);
    else terminal.table(COUNTS, countOperators(report.nodes));
    printVerdict(terminal, report.nodes);
  },
});

interface CountRow {
  readonly op: string;
  readonly nodes: number;
  readonly gradient: NodeRow["gradient"];
}

const TENSORS: readonly Column<TensorRow>[] = [
  { title: "parameter", value: (row) => row.name },
  { title: "type", value: (row) => row.dtype },
  { title: "shape", value: (row) => shapeText(row.dims) },
];

const NODES: readonly Column<NodeRow>[] = [
  { title: "node", value: (row) => row.name },
  { title: "operator", value: operatorName },
  { title: "shape", value: (row) => row.dims && shapeText(row.dims) },
  { title: "gradient", value: (row) => row.gradient },
];

const COUNTS: readonly Column<CountRow>[] = [
  { title: "operator", value: (row) => row.op },
  { title: "nodes", value: (row) => row.nodes },
  { title: "gradient", value: (row) => row.gradient },
];

const OPERATORS: readonly Column<OperatorInfo>[] = [
  { title: "operator", value: operatorTitle },
  { title: "opset", value: opsetText },
  { title: "gradient", value: ({ kind }) => kind },
  { title: "why", value: ({ reason }) => reason ?? "" },
];

function printOperators(terminal: Terminal, infos: readonly OperatorInfo[]): void {
  terminal.event({ event: "operators", operators: infos });
  terminal.table(OPERATORS, infos);
  const { differentiable, zero, refused } = operatorCounts(infos);
  terminal.line(`\n${differentiable} differentiable, ${zero} without gradient, ${refused} refused`);
}

function printPorts(terminal: Terminal, report: InspectReport): void {
  const opsets = Object.entries(report.opsets).map(([domain, version]) =>
    `${domain || "ai.onnx"} ${version}`
  );
  terminal.line(`${report.name}, opset ${opsets.join(", ")}`);
  const ports = [["input", report.inputs], ["output", report.outputs]] as const;
  for (const [kind, rows] of ports) {
    for (const row of rows) {
      terminal.line(`${kind} ${row.name}: ${row.dtype} ${shapeText(row.dims)}`);
    }
  }
  terminal.line();
}

function operatorName(node: NodeRow): string {
  return node.domain ? `${node.domain}.${node.op}` : node.op;
}

function countOperators(nodes: readonly NodeRow[]): CountRow[] {
  const counts = new Map<string, CountRow>();
  for (const node of nodes) {
    const op = operatorName(node);
    counts.set(op, { op, nodes: (counts.get(op)?.nodes ?? 0) + 1, gradient: node.gradient });
  }
  return [...counts.values()].sort((a, b) => a.op < b.op ? -1 : 1);
}

function elements(rows: readonly TensorRow[]): number {
  return rows.reduce((sum, row) => sum + row.dims.reduce<number>((a, b) => a * Number(b), 1), 0);
}

function printVerdict(terminal: Terminal, nodes: readonly NodeRow[]): void {
  const refused = nodes.filter(({ gradient }) => gradient === "refused");
  const reasons = new Map(refused.map((row) => [operatorName(row), row.reason ?? ""]));
  if (reasons.size === 0) return terminal.hint("every operator can be trained through");
  terminal.line();
  for (const [op, reason] of reasons) terminal.line(`cannot be trained through ${op}: ${reason}`);
}
