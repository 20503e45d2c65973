import type { InspectReport, InspectRequest, NodeRow, TensorRow } from "../core/run/requests.ts";
import type { Terminal } from "./output.ts";
import { type Column, grouped, shapeText } from "./table.ts";
import { verb } from "./verb.ts";

/** `inspect` shows every node, or a line an operator. */
export interface InspectOptions extends InspectRequest {
  readonly operators: boolean;
}

/** `ravn inspect <model.onnx>` */
export const inspect = verb<InspectOptions>({
  examples: [
    ["ravn inspect model.onnx", "inputs, outputs, parameters, and which operators can be trained"],
    ["ravn inspect model.onnx --operators", "every node of the graph"],
    ["ravn inspect model.onnx --json", "the same for a program to read"],
  ],
  declare: (command) =>
    command
      .argument("<model.onnx>", "model to describe")
      .option("--operators", "list every node, not only how many there are of an operator"),
  read: (command) => ({
    model: command.args[0]!,
    operators: command.opts<{ operators?: true }>().operators ?? false,
  }),
  run: async ({ model, operators }, { engine, terminal }) => {
    const report = await engine.inspect({ model });
    terminal.event({ event: "model", ...report });
    printPorts(terminal, report);
    terminal.table(TENSORS, report.parameters);
    terminal.line(`${grouped(elements(report.parameters))} elements in parameters\n`);
    if (operators) terminal.table(NODES, report.nodes);
    else terminal.table(OPERATORS, countOperators(report.nodes));
    printVerdict(terminal, report.nodes);
  },
});

interface OperatorRow {
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

const OPERATORS: readonly Column<OperatorRow>[] = [
  { title: "operator", value: (row) => row.op },
  { title: "nodes", value: (row) => row.nodes },
  { title: "gradient", value: (row) => row.gradient },
];

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

function countOperators(nodes: readonly NodeRow[]): OperatorRow[] {
  const counts = new Map<string, OperatorRow>();
  for (const node of nodes) {
    const op = operatorName(node);
    const seen = counts.get(op);
    const missing = node.gradient === "missing" || seen?.gradient === "missing";
    const gradient = missing ? "missing" : seen?.gradient === "yes" ? "yes" : node.gradient;
    counts.set(op, { op, nodes: (seen?.nodes ?? 0) + 1, gradient });
  }
  return [...counts.values()].sort((a, b) => a.op < b.op ? -1 : 1);
}

function elements(rows: readonly TensorRow[]): number {
  return rows.reduce((sum, row) => sum + row.dims.reduce<number>((a, b) => a * Number(b), 1), 0);
}

function printVerdict(terminal: Terminal, nodes: readonly NodeRow[]): void {
  const missing = new Set(nodes.filter((row) => row.gradient === "missing").map(operatorName));
  if (missing.size === 0) return terminal.hint("every operator can be trained through");
  terminal.line();
  terminal.line(`cannot be trained through: ${[...missing].join(", ")}`);
}
