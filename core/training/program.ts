import { differentiate, trainingForm } from "../autodiff/mod.ts";
import type { ChooseFormulation, Gradients, TrainingGraph } from "../autodiff/mod.ts";
import { isFloat } from "../onnx/mod.ts";
import type { Fact, Facts, Graph, Tensor } from "../onnx/mod.ts";
import { accuracyKind } from "./loss.ts";
import type { LossConfig } from "./loss.ts";
import { appendLosses, lossPorts, wireLosses } from "./loss_sum.ts";
import type { LabelForm, LossSum, WiredLoss } from "./loss_sum.ts";
import { SCALE } from "./manifest.ts";
import type { InputPort, OutputPort, StageManifest } from "./manifest.ts";
import { modelTensors, trainedValues } from "./parameters.ts";
import type { ModelTensors } from "./parameters.ts";
import { factOf, partition } from "./partition.ts";
import type { StagePart } from "./partition.ts";
import { stagePasses } from "./passes.ts";
import { stageGraphs } from "./program_graphs.ts";
import type { StageGraphs, StageWork } from "./program_graphs.ts";
import { portOf } from "./stage_graphs.ts";

/** All that a provider needs to train one stage. */
export interface StageProgram {
  readonly manifest: StageManifest;
  readonly graphs: StageGraphs;
  /** The stage's part of the model with its weights, as the user's file has it. */
  readonly part: Graph;
  readonly weights: ReadonlyMap<string, Tensor>;
}

/** What `buildPrograms` makes stages from. */
export interface ProgramInput {
  readonly graph: Graph;
  readonly facts: Facts;
  /** Names of each stage's nodes. */
  readonly stages: readonly (readonly string[])[];
  /** For each stage: compute the forward again in the backward, instead of keeping its values. */
  readonly recompute: readonly boolean[];
  /** Write the gradients of the weights as graphs of their own. */
  readonly splitBackward?: boolean;
  /** Largest micro-batch. */
  readonly batch: number;
  readonly loss: LossConfig;
  /** Of each loss in turn, or of the only one; absent where the loss is an output of the model. */
  readonly labels?: LabelForm | readonly (LabelForm | undefined)[];
  /** Patterns of names of parameters that are not trained. */
  readonly freeze?: readonly string[];
  /** Who reads the labels: the root sends them along, or the leaf has its own copy. */
  readonly labelsFrom: "root" | "leaf";
  readonly maskAs: "input" | "graph";
  /** Threads on which the stages are expected to run. */
  readonly threads?: number;
  /** Picks a formulation of a gradient where there are several. */
  readonly choose?: ChooseFormulation;
}

/**
 * Writes the training graphs of every stage of a model.
 *
 * Stages are made from the last to the first, since a stage sends back gradients only for values
 * that have one, and takes in those that later stages send.
 *
 * @throws {RavnError} naming the node and operator where a gradient is not known
 */
export function buildPrograms(input: ProgramInput): StageProgram[] {
  const { graph, facts, labels = [] } = input;
  const losses = wireLosses(graph, input.loss, "dims" in labels ? [labels] : labels);
  const heads = [...new Set(losses.map(({ output }) => output))];
  const parts = partition(graph, facts, input.stages, heads);
  const tensors = modelTensors(graph, input.freeze);
  const trained = trainedValues(graph, tensors.trainable);
  const programs: StageProgram[] = [];
  /** For each value: the later stages that send a gradient for it. */
  const gradientsFrom = new Map<string, number[]>();
  for (const part of [...parts].reverse()) {
    const builder = new ProgramBuilder(input, part, losses, { ...tensors, trained }, gradientsFrom);
    const program = builder.build(parts);
    for (const { value, gradient } of program.manifest.inputs) {
      if (gradient === undefined) continue;
      gradientsFrom.set(value, [part.stage, ...(gradientsFrom.get(value) ?? [])]);
    }
    programs.unshift(program);
  }
  return programs;
}

/** Name under which a stage takes in the gradient that stage `from` sends for `value`. */
function incomingGradient(value: string, from: number): string {
  return `ravn.gradient.${from}.${value}`;
}

/** Values that nodes of a graph make, by which others take rows of some of `parameters`. */
function computedIndices({ nodes }: Graph, parameters: readonly string[]): string[] {
  const made = new Set(nodes.flatMap(({ outputs }) => outputs));
  const taken = nodes.filter(({ op, inputs }) => op === "Gather" && parameters.includes(inputs[0]!))
    .map(({ inputs }) => inputs[1]!);
  return [...new Set(taken)].filter((value) => made.has(value));
}

class ProgramBuilder {
  readonly #input: ProgramInput;
  readonly #part: StagePart;
  readonly #losses: readonly WiredLoss[];
  readonly #tensors: ModelTensors & { readonly trained: ReadonlySet<string> };
  readonly #gradientsFrom: ReadonlyMap<string, readonly number[]>;
  readonly #last: boolean;

  constructor(
    input: ProgramInput,
    part: StagePart,
    losses: readonly WiredLoss[],
    tensors: ModelTensors & { readonly trained: ReadonlySet<string> },
    gradientsFrom: ReadonlyMap<string, readonly number[]>,
  ) {
    this.#input = input;
    this.#part = part;
    this.#losses = losses;
    this.#tensors = tensors;
    this.#gradientsFrom = gradientsFrom;
    this.#last = part.stage === input.stages.length - 1;
  }

  build(parts: readonly StagePart[]): StageProgram {
    const training = trainingForm(this.#part.graph, this.#facts(), {
      statistics: true,
      maskAs: this.#input.maskAs,
    });
    const loss = this.#last ? this.#loss(training) : undefined;
    const gradients = this.#differentiate(training, loss);
    const parameters = this.#own(this.#tensors.trainable)
      .filter((name) => gradients.gradients.has(name));
    const passes = stagePasses({
      training,
      loss,
      gradients,
      back: this.#part.inputs.flatMap(({ value }) => gradients.gradients.get(value) ?? []),
      weights: parameters.map((name) => gradients.gradients.get(name)!),
      recompute: this.#recomputes,
      split: this.#input.splitBackward === true,
    });
    const facts = this.#valueFacts(training, gradients);
    const work: StageWork = { training, loss, gradients, passes, facts };
    const manifest = this.#manifest(parts, work, parameters);
    const running = this.#own(this.#tensors.running);
    const kept = [...parameters, ...running];
    return {
      manifest,
      graphs: stageGraphs(manifest, work, { part: this.#part.graph, running }),
      part: this.#part.graph,
      weights: new Map(kept.map((name) => [name, this.#part.graph.initializers.get(name)!])),
    };
  }

  /** Those of the model's tensors `names` that this stage reads. */
  #own(names: readonly string[]): string[] {
    return names.filter((name) => this.#part.graph.initializers.has(name));
  }

  /** Facts of the model and of the labels. */
  #facts(): Facts {
    const ports = lossPorts(this.#losses);
    const ofPorts = ports.map((port): [string, Fact] => [port.value, port]);
    return new Map([...this.#input.facts, ...ofPorts]);
  }

  /** Facts of all values of the stage; the whole gradient of a value is as the value. */
  #valueFacts(training: TrainingGraph, { wholes }: Gradients): Facts {
    const known = new Map([...this.#facts(), ...training.facts]);
    const whole = [...wholes].map(([gradient, value]): [string, Fact] => {
      return [gradient, factOf(known, value)];
    });
    return new Map([...whole, ...known]);
  }

  get #recomputes(): boolean {
    return !this.#last && this.#input.recompute[this.#part.stage] === true;
  }

  #loss(training: TrainingGraph): LossSum {
    const opset = this.#input.graph.opsets.get("") ?? 17;
    return appendLosses(this.#losses, training.facts, { scale: SCALE, opset });
  }

  #differentiate(training: TrainingGraph, loss: LossSum | undefined): Gradients {
    const seeds = new Map<string, string | readonly string[]>(loss?.gradient.seeds);
    for (const { value, to } of this.#part.outputs) {
      const from = (this.#gradientsFrom.get(value) ?? []).filter((stage) => to.includes(stage));
      if (from.length > 0) seeds.set(value, from.map((stage) => incomingGradient(value, stage)));
    }
    const activations = this.#part.inputs
      .map(({ value }) => value)
      .filter((value) =>
        this.#tensors.trained.has(value) && isFloat(factOf(training.facts, value).dtype)
      );
    const wrt = [...activations, ...this.#own(this.#tensors.trainable)];
    const { graph, facts } = training;
    const { threads, choose } = this.#input;
    return differentiate({
      graph,
      facts,
      seeds,
      wrt,
      ...(threads === undefined ? {} : { threads }),
      ...(choose === undefined ? {} : { choose }),
    });
  }

  #inputs(gradients: Gradients, facts: Facts): InputPort[] {
    const { stages, labelsFrom } = this.#input;
    const ports: InputPort[] = this.#part.inputs.map(({ value, from }) => {
      const port = portOf(facts, value);
      const source = from === "data" && this.#part.stage > 0 ? 0 : from;
      if (!gradients.gradients.has(value)) return { ...port, from: source };
      return { ...port, from: source, gradient: `ravn.gradient_of.${value}` };
    });
    if (this.#last) {
      const from = stages.length === 1 || labelsFrom === "leaf" ? "data" : 0;
      ports.push(...lossPorts(this.#losses).map((port): InputPort => ({ ...port, from })));
    }
    return ports;
  }

  #outputs(facts: Facts): OutputPort[] {
    return this.#part.outputs.map(({ value, to }) => ({
      ...portOf(facts, value),
      to: to.map((stage) => {
        const sends = this.#gradientsFrom.get(value)?.includes(stage) === true;
        return sends ? { stage, gradient: incomingGradient(value, stage) } : { stage };
      }),
    }));
  }

  /** Data that the root reads only to pass it on: model inputs of later stages, and labels. */
  #relays(parts: readonly StagePart[], facts: Facts): StageManifest["relays"] {
    const { stages, labelsFrom } = this.#input;
    if (this.#part.stage !== 0 || stages.length === 1) return [];
    const to = new Map<string, number[]>();
    for (const { stage, inputs } of parts.slice(1)) {
      for (const { value, from } of inputs) {
        if (from === "data") to.set(value, [...(to.get(value) ?? []), stage]);
      }
    }
    const relays = [...to].map(([value, readers]) => ({ ...portOf(facts, value), to: readers }));
    if (labelsFrom === "leaf") return relays;
    const last = [stages.length - 1];
    return [...relays, ...lossPorts(this.#losses).map((port) => ({ ...port, to: last }))];
  }

  #manifest(
    parts: readonly StagePart[],
    { training, loss, gradients, passes, facts }: StageWork,
    parameters: readonly string[],
  ): StageManifest {
    const { stage, graph } = this.#part;
    const indices = computedIndices(graph, parameters);
    return {
      format: 1,
      stage,
      stages: this.#input.stages.length,
      batch: this.#input.batch,
      inputs: this.#inputs(gradients, facts),
      outputs: this.#outputs(facts),
      relays: this.#relays(parts, facts),
      parameters: parameters.map((name) => ({
        name,
        dims: [...graph.initializers.get(name)!.dims],
        gradient: `ravn.gradient_of.${name}`,
      })),
      masks: training.masks.map((mask) => ({ ...mask, dims: [...mask.dims] })),
      statistics: training.statistics.map((statistic) => ({
        ...statistic,
        dims: [...graph.initializers.get(statistic.running)!.dims],
      })),
      stash: passes.stash.map((value) => portOf(facts, value)),
      ...(passes.deferred === undefined
        ? {}
        : { deferred: passes.deferred.map((value) => portOf(facts, value)) }),
      ...(indices.length === 0 ? {} : { indices: indices.map((value) => portOf(facts, value)) }),
      recompute: this.#recomputes,
      ...(loss === undefined ? {} : { head: this.#headOf(facts, loss) }),
    };
  }

  /** What is shown of the last stage: its loss, and the output whose accuracy is counted. */
  #headOf(facts: Facts, { loss }: LossSum): NonNullable<StageManifest["head"]> {
    const kindOf = ({ output, labels }: WiredLoss) =>
      labels && accuracyKind(factOf(facts, output), labels.form);
    const judged = this.#losses.filter((term) => kindOf(term) !== undefined);
    const counted = judged.find(({ loss }) => loss.type === "cross_entropy") ?? judged[0];
    const shown = counted ?? this.#losses.find(({ labels }) => labels) ?? this.#losses[0]!;
    const kind = kindOf(shown);
    const { labels, output } = shown;
    return {
      loss,
      output: portOf(facts, output),
      ...(labels === undefined ? {} : { labels: labels.port.value }),
      ...(kind === undefined ? {} : { accuracy: kind }),
      ...(labels?.port.ignored === undefined ? {} : { ignored: labels.port.ignored }),
    };
  }
}
