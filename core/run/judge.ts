import { isOneHot } from "../data/mod.ts";
import type { Dataset, Feed } from "../data/mod.ts";
import { numbers, writeModel } from "../onnx/mod.ts";
import type { Fact, Graph, Tensor } from "../onnx/mod.ts";
import { RavnError } from "../error.ts";
import type { Runtime, Session } from "../runtime/mod.ts";
import {
  accuracyKind,
  appendLoss,
  assemble,
  countCorrect,
  countLabels,
  countSequences,
  countsUnevenly,
  LABELS,
  labelsFor,
  lossTerms,
  SCALE,
} from "../training/mod.ts";
import type { ComputedLoss, Correct, Labels, LossConfig } from "../training/mod.ts";
import { labelColumn } from "./label_column.ts";

/** Operator set of the graphs that compute losses. */
const OPSET = 17;

/** Labels in memory, or made for each sample. */
type LabelColumn =
  | (Dataset["labels"] extends ReadonlyMap<string, infer Column> ? Column : never)
  | NonNullable<Dataset["made"]>["labels"][number];

/** What a judge compares. */
interface Compared {
  readonly loss: ComputedLoss;
  /** Factor on the loss in the sum. */
  readonly weight: number;
  /** Name of the model output. */
  readonly output: string;
  readonly feed: Feed;
  readonly kind: ReturnType<typeof accuracyKind>;
}

/** Compares an output of a model with labels, and keeps the mean loss over all samples. */
export class Judge implements Disposable {
  readonly #o: Compared;
  readonly #session: Session;
  readonly #lossName: string;
  #sum = 0;
  #count = 0;
  readonly #right = { correct: 0, rows: 0 };
  readonly #sequences = { correct: 0, rows: 0 };

  private constructor(compared: Compared, session: Session, lossName: string) {
    this.#o = compared;
    this.#session = session;
    this.#lossName = lossName;
  }

  /**
   * One judge for each loss that compares with labels.
   *
   * @param outputs of the model for some samples, as an example
   * @throws {RavnError} where there is no such loss, or labels and outputs do not fit
   */
  static async open(
    runtime: Runtime,
    dataset: Dataset,
    outputs: ReadonlyMap<string, Tensor>,
    loss: LossConfig,
  ): Promise<Judge[]> {
    const { labels, made } = dataset;
    const columns = new Map<string, LabelColumn>(labels);
    for (const value of made?.labels ?? []) columns.set(value.name, value);
    const wired = lossTerms(loss).flatMap(({ loss, weight, output, labels }) => {
      if (loss.type === "output") return [];
      const name = output ?? [...outputs.keys()][0]!;
      const fact = factOf(outputs, name);
      const key = labelColumn([...columns.keys()], loss.type, labels);
      const column = columns.get(key)!;
      const form = labelsFor(loss, { name, fact }, column);
      const oneHot = "bytes" in column && isOneHot(column);
      const kind = accuracyKind(fact, { ...form, oneHot });
      return [{ loss, weight, output: name, fact, form, key, kind }];
    });
    if (wired.length === 0) throw new RavnError("the loss is an output of the model itself");
    const feeds = dataset.labelFeeds(wired.map(({ form, key }) => ({
      name: key === "" ? LABELS : key,
      dtype: form.dtype,
      dims: form.dims.slice(1).map((dim) => typeof dim === "number" ? dim : undefined),
    })));
    const judges: Judge[] = [];
    for (const [i, { loss, weight, output, fact, form, kind }] of wired.entries()) {
      const graph = lossGraph(loss, output, fact, form);
      const session = await runtime.session(writeModel(graph));
      const compared = { loss, weight, output, feed: feeds[i]!, kind };
      judges.push(new Judge(compared, session, graph.outputs[0]!.name));
    }
    return judges;
  }

  /** How its labels are read. */
  get feed(): Feed {
    return this.#o.feed;
  }

  /** Takes in a batch. */
  async count(outputs: ReadonlyMap<string, Tensor>, labels: Tensor): Promise<void> {
    const { loss, output: name, kind } = this.#o;
    const output = outputs.get(name)!;
    const results = await this.#session.run(new Map([[name, output], [LABELS, labels]]));
    const counted = countedIn(labels, loss);
    this.#sum += numbers(results.get(this.#lossName)!)[0]! * counted;
    this.#count += counted;
    if (kind === undefined) return;
    const ignored = "ignore_index" in loss ? loss.ignore_index : undefined;
    const classes = output.dims.at(-1)!;
    const [scores, given] = [numbers(output), numbers(labels)];
    add(this.#right, countCorrect(scores, given, kind, classes, ignored));
    if (output.dims.length < 3) return;
    const length = scores.length / classes / output.dims[0]!;
    add(this.#sequences, countSequences(scores, given, kind, classes, length, ignored));
  }

  /** The part of this loss in the sum: a mean over everything that counts. */
  get loss(): number {
    return this.#count === 0 ? 0 : this.#o.weight * this.#sum / this.#count;
  }

  /** Right rows; undefined where no classes are compared. */
  get right(): Correct | undefined {
    return this.#o.kind === undefined ? undefined : this.#right;
  }

  /** Samples right in every row; undefined where a sample is one row, or has no classes. */
  get sequences(): Correct | undefined {
    return this.#sequences.rows === 0 ? undefined : this.#sequences;
  }

  /** Whether it judges classes by cross entropy. */
  get isCrossEntropy(): boolean {
    return this.#o.loss.type === "cross_entropy";
  }

  [Symbol.dispose](): void {
    this.#session[Symbol.dispose]();
  }
}

function add(sum: { correct: number; rows: number }, { correct, rows }: Correct): void {
  sum.correct += correct;
  sum.rows += rows;
}

function factOf(outputs: ReadonlyMap<string, Tensor>, name: string): Fact {
  const example = outputs.get(name);
  if (example === undefined) {
    throw new RavnError(
      `loss: the model has no output "${name}"; its outputs are ${[...outputs.keys()].join(", ")}`,
    );
  }
  return { dtype: example.dtype, dims: [{ perSample: 1 }, ...example.dims.slice(1)] };
}

/** What the mean of a batch is taken over, so that batches can be put together. */
function countedIn(labels: Tensor, loss: ComputedLoss): number {
  if (labels.dtype !== "int64" || !countsUnevenly(loss)) return labels.dims[0]!;
  const { buffer, byteOffset, byteLength } = labels.bytes;
  const values = new BigInt64Array(buffer, byteOffset, byteLength / 8);
  const { ignore_index: ignored, weights } = loss;
  return countLabels(values, 0, values.length, { ignored, weights });
}

function lossGraph(loss: ComputedLoss, name: string, fact: Fact, labels: Labels): Graph {
  const appended = appendLoss({
    loss,
    output: { name, fact },
    labels: { name: LABELS, dtype: labels.dtype, dims: labels.dims },
    scale: SCALE,
    opset: OPSET,
  });
  return assemble(
    "loss",
    [appended],
    [
      { value: name, dtype: fact.dtype, dims: [...fact.dims] },
      { value: LABELS, dtype: labels.dtype, dims: [...labels.dims] },
    ],
    [{ port: { value: appended.loss, dtype: "float32", dims: [] }, from: appended.loss }],
    new Map([["", OPSET]]),
  );
}
