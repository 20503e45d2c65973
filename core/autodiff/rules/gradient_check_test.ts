/**
 * What the tests of the rules share: building a graph around one operator, running it in ONNX
 * Runtime, and comparing its gradients with finite differences.
 */
import assert from "node:assert/strict";
import { Random } from "../../random.ts";
import {
  type AttributeValue,
  type DType,
  elementCount,
  type Graph,
  GraphBuilder,
  type Tensor,
  tensor,
  traceFacts,
  writeModel,
} from "../../onnx/mod.ts";
import { Runtime } from "../../runtime/mod.ts";
import { gradientDeviations, type Runnable } from "../finite_difference.ts";

/** Samples in the batch with which gradients are compared; facts are traced at others. */
const BATCH = 2;

/** An operand: a graph input if its first dimension is the batch, else an initializer. */
export interface Operand {
  readonly dims: readonly (number | "batch")[];
  readonly dtype?: DType;
  /** The elements, at the batch of the test; random where absent. */
  readonly values?: readonly number[];
  /** Random elements lie in this range. */
  readonly range?: readonly [number, number];
  /**
   * Random elements keep this distance of each other, so that none becomes the maximum on the way.
   */
  readonly spaced?: number;
  /** No gradient is asked for. */
  readonly fixed?: boolean;
}

/** One operator at one shape. */
export interface Case {
  readonly op: string;
  readonly domain?: string;
  readonly opset?: number;
  /** Operands in order; null leaves an optional one out. A list stands for the dims of floats. */
  readonly operands: readonly (Operand | readonly (number | "batch")[] | null)[];
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
  /**
   * Number or names of the outputs (`""` omits one); the first `used` of them go into the loss, all
   * if absent.
   */
  readonly outputs?: number | readonly string[];
  readonly used?: number;
  readonly dtype?: "float32" | "float64";
  readonly step?: number;
  readonly tolerance?: number;
  readonly title?: string;
}

/** ONNX Runtime on one thread, so that results do not depend on the machine. */
export function runtime(): Runtime {
  return Runtime.open();
}

/** Makes a graph ready to run. */
export async function prepare(graph: Graph): Promise<Runnable> {
  return await runtime().session(writeModel(graph));
}

/** Random numbers for an operand, the same in every run. */
export function valuesOf(operand: Operand, dtype: DType, random: Random): Tensor {
  const dims = operand.dims.map((dim) => dim === "batch" ? BATCH : dim);
  const count = elementCount(dims);
  if (operand.values !== undefined) return tensor(dtype, dims, operand.values);
  const [low, high] = operand.range ?? [-1.5, 1.5];
  if (operand.spaced !== undefined) {
    const steps = Array.from({ length: count }, (_, i) => (i - count / 2) * operand.spaced!);
    random.shuffle(steps);
    return tensor(dtype, dims, steps);
  }
  const draw = () => low + (high - low) * random.uniform();
  return tensor(dtype, dims, Array.from({ length: count }, draw));
}

/** A case in short, for messages. */
export function described(test: Case): string {
  const operands = test.operands.map((o) => o === null ? "–" : `[${"dims" in o ? o.dims : o}]`);
  const attributes = test.attributes === undefined ? "" : ` ${JSON.stringify(test.attributes)}`;
  const opset = test.opset === undefined ? "" : ` opset ${test.opset}`;
  return `${test.op}${opset} ${operands.join(" ")}${attributes}`;
}

/** A graph of one operator, with values for its inputs. */
export interface CaseGraph {
  readonly graph: Graph;
  readonly feeds: ReadonlyMap<string, Tensor>;
  /** The operands whose gradients are asked for. */
  readonly wrt: readonly string[];
}

/** Builds the graph of a case. */
export function graphOf(test: Case): CaseGraph {
  const random = new Random(7);
  const dtype = test.dtype ?? "float32";
  const builder = new GraphBuilder("case", test.opset ?? 17);
  const feeds = new Map<string, Tensor>();
  const wrt: string[] = [];
  const names = test.operands.map((given, i) => {
    if (given === null) return "";
    const operand: Operand = "dims" in given ? given : { dims: given };
    const type = operand.dtype ?? dtype;
    const value = valuesOf(operand, type, random);
    const name = `operand_${i}`;
    const isFloatOperand = type === "float32" || type === "float64";
    if (isFloatOperand && operand.fixed !== true) wrt.push(name);
    if (!operand.dims.includes("batch")) return builder.initializer(name, value);
    feeds.set(name, value);
    return builder.input(name, type, operand.dims);
  });
  const outputs = builder.nodes(test.op, names, test.attributes ?? {}, {
    name: "node",
    outputs: test.outputs ?? 1,
    domain: test.domain ?? "",
  });
  const used = outputs.slice(0, test.used ?? outputs.length).filter((name) => name !== "");
  for (const name of used) builder.output(name, dtype);
  return { graph: builder.build(), feeds, wrt };
}

/** Compares the gradients of one operator with central differences. */
export async function checkCase(test: Case): Promise<void> {
  const { graph, feeds, wrt } = graphOf(test);
  await checkGradients(graph, { ...test, feeds, wrt, what: described(test) });
}

/** Compares gradients of a whole graph with central differences. */
export async function checkGradients(graph: Graph, o: {
  readonly feeds: ReadonlyMap<string, Tensor>;
  readonly wrt: readonly string[];
  readonly what: string;
  readonly step?: number;
  readonly tolerance?: number;
  readonly dtype?: "float32" | "float64";
}): Promise<void> {
  const facts = await traceFacts(graph, runtime().evaluate, {
    batch: BATCH + 1,
    inputs: o.feeds,
  });
  const double = o.dtype === "float64";
  const deviations = await gradientDeviations({
    graph,
    facts,
    feeds: o.feeds,
    wrt: o.wrt,
    prepare,
    step: o.step ?? (double ? 1e-4 : 0.02),
    elementsMax: 24,
  });
  for (const { value, element, analytic, numeric, relative } of deviations) {
    assert.ok(
      relative < (o.tolerance ?? (double ? 1e-6 : 3e-3)),
      `${o.what}: d/d${value}[${element}] is ${analytic}, by differences ${numeric}`,
    );
  }
}

/** Registers a test for each case. */
export function testCases(title: string, cases: readonly Case[]): void {
  Deno.test(title, async () => {
    for (const test of cases) await checkCase(test);
  });
}

/** Operators of one operand at two shapes, with the range in which they are smooth. */
export function unary(
  op: string,
  o: Partial<Case> & { range?: readonly [number, number] } = {},
): Case[] {
  const { range, ...rest } = o;
  const shapes: ("batch" | number)[][] = [["batch", 3], ["batch", 2, 3, 2]];
  return shapes.map((dims) => ({
    op,
    ...rest,
    operands: [{ dims, ...(range === undefined ? {} : { range }) }],
  }));
}
