import { z } from "zod";
import { differentiate } from "../autodiff/mod.ts";
import type { ChooseFormulation, FormulationQuestion, Gradients } from "../autodiff/mod.ts";
import { readWhole, writeWhole } from "../data/mod.ts";
import { writeModel } from "../onnx/mod.ts";
import type { Facts, Graph } from "../onnx/mod.ts";
import { blockedModels, blockSize } from "../runtime/mod.ts";
import type { Runtime } from "../runtime/mod.ts";
import { assemble, modelTensors, portOf, trainedValues } from "../training/mod.ts";
import type { Port } from "../training/mod.ts";
import { aloneGraph, fastest } from "./calibrate.ts";
import { exists } from "./node_data.ts";

/** A formulation whose estimate is so many times the best one's is not timed. */
const HOPELESS = 8;
/** Formulations of one gradient that are timed at most. */
const TIMED_MAX = 5;
/** A gradient that is estimated to take less in a run is left to the estimates. */
const WORTH_NS = 700_000;
/** Another than the first by estimate must be so much faster, lest chance decides. */
const BETTER = 0.85;
/** Measurements that take longer are announced. */
const LONG_MS = 2_000;
/** Time after which the estimates decide the rest. */
const BUDGET_MS = 10_000;

const OPERATORS = new Set(["Conv"]);

const fileSchema = z.record(z.string(), z.string());

/** What `timeFormulations` measures, and where it keeps the results. */
export interface FormulationOptions {
  readonly runtime: Runtime;
  readonly graph: Graph;
  readonly facts: Facts;
  /** Samples in a micro-batch. */
  readonly batch: number;
  /** File of earlier choices; absent: none are read or kept. */
  readonly cache?: string;
  /** Longest time that the measurements take, 10 s if absent; 0 takes only what is known. */
  readonly budget_ms?: number;
  /** Is told once where the measurements take long. */
  readonly say?: (message: string) => void;
}

/** Choices between formulations that rest on measurements. */
export interface FormulationTimes {
  /** Answers from what was measured; leaves a question that was not to the estimates. */
  readonly choose: ChooseFormulation;
  /** Gradients that were measured now, and not found in the cache file. */
  readonly measured: number;
  /** Keeps what is new in the cache file. */
  save(): Promise<void>;
}

/** The same with what the results depend on besides the shapes. */
interface Timing extends FormulationOptions {
  readonly machine: string;
}

/** One gradient of one node, asked for alone. */
interface Inquiry {
  /** The node as a graph. */
  readonly alone: Graph;
  readonly input: string;
  readonly question: FormulationQuestion;
}

/**
 * Times the formulations of every gradient of a model that has several, in the form in which this
 * machine runs them, each shape once, and not again where it is in the cache file.
 */
export async function timeFormulations(given: FormulationOptions): Promise<FormulationTimes> {
  const { runtime, cache, say, budget_ms = BUDGET_MS } = given;
  const options = { ...given, machine: await machineOf(runtime) };
  const known = cache === undefined ? new Map<string, string>() : await readCache(cache);
  const key = (question: FormulationQuestion) => keyOf(question, options);
  let measured = 0;
  const start_ms = performance.now();
  const end_ms = start_ms + budget_ms;
  let said = false;
  for (const inquiry of inquiriesOf(options)) {
    const { question } = inquiry;
    if (known.has(key(question)) || performance.now() >= end_ms) continue;
    if (question.candidates.length === 1 || question.costs[0]! * options.batch < WORTH_NS) continue;
    if (!said && performance.now() > start_ms + LONG_MS) {
      say?.("timing the ways to compute the gradients of convolutions");
      said = true;
    }
    measured++;
    known.set(key(question), await fastestOf(inquiry, options));
  }
  return {
    choose: (question) => known.get(key(question)),
    measured,
    save: async () => {
      if (cache === undefined || measured === 0) return;
      await writeWhole(cache, `${JSON.stringify(Object.fromEntries(known), null, 1)}\n`);
    },
  };

  /** The name of the formulation that took the least time. */
  async function fastestOf(inquiry: Inquiry, o: Timing): Promise<string> {
    const { candidates, costs } = inquiry.question;
    const hopeful = candidates
      .filter((_, i) => costs[i]! <= HOPELESS * costs[0]!)
      .slice(0, TIMED_MAX);
    let best = { name: candidates[0]!, ms: Infinity };
    let first_ms = Infinity;
    for (const name of hopeful) {
      const { graph, ports } = gradientAlone(inquiry, name, o);
      const { alone } = await blockedModels({ alone: writeModel(graph) }, {
        evaluate: runtime.evaluate,
        samples: o.batch,
      });
      const ms = await fastest(runtime, alone!, ports, o.batch, best.ms);
      if (name === candidates[0]) first_ms = ms;
      if (ms < best.ms) best = { name, ms };
    }
    return best.ms < BETTER * first_ms ? best.name : candidates[0]!;
  }
}

/** Every gradient of the model that has several formulations, each question once. */
function inquiriesOf(options: Timing): Inquiry[] {
  const { graph, facts } = options;
  const trainable = new Set(modelTensors(graph).trainable);
  const trained = trainedValues(graph, [...trainable]);
  const found = new Map<string, Inquiry>();
  for (const node of graph.nodes) {
    if (node.domain !== "" || !OPERATORS.has(node.op)) continue;
    const alone = aloneGraph(node, trainable, graph, facts);
    for (const input of new Set(node.inputs)) {
      if (!trained.has(input) || facts.get(input)?.dtype !== "float32") continue;
      gradientOf(alone, input, options, (question) => {
        const key = keyOf(question, options);
        if (!found.has(key)) found.set(key, { alone, input, question });
        return undefined;
      });
    }
  }
  return [...found.values()];
}

const SEED = "ravn.seed";

/** The backward pass of a graph of one node, with respect to one of its inputs. */
function gradientOf(
  graph: Graph,
  input: string,
  { facts, runtime }: FormulationOptions,
  choose: ChooseFormulation,
): Gradients {
  const seeds = new Map([[graph.outputs[0]!.name, SEED]]);
  return differentiate({ graph, facts, seeds, wrt: [input], choose, threads: runtime.threads });
}

/** That pass as a graph of its own, and the shapes of what it is fed. */
function gradientAlone(
  { alone, input }: Inquiry,
  formulation: string,
  options: FormulationOptions,
): { graph: Graph; ports: Port[] } {
  const { facts } = options;
  const made = gradientOf(alone, input, options, () => formulation);
  const ports = [
    ...alone.inputs.map(({ name }) => portOf(facts, name)),
    { ...portOf(facts, alone.outputs[0]!.name), value: SEED },
  ];
  const port = { ...portOf(facts, input), value: "ravn.gradient" };
  const shown = [{ port, from: made.gradients.get(input)! }];
  const opsets = new Map([...alone.opsets, ...made.opsets]);
  return { graph: assemble("alone", [made], ports, shown, opsets), ports };
}

/** The processor, as far as it can be told, and what runs on it. */
async function machineOf({ evaluate, threads, version }: Runtime): Promise<string> {
  const { os, arch } = Deno.build;
  const block = await blockSize(evaluate) ?? "none";
  const cores = navigator.hardwareConcurrency;
  return `${os} ${arch}, ${cores} cores, block ${block}, ORT ${version}, ${threads} threads`;
}

/** Everything on which the answer depends. */
function keyOf(question: FormulationQuestion, { machine, batch }: Timing): string {
  const { operator, gradient, shape, candidates } = question;
  const { channels, filters, groups, window } = shape;
  const sizes = Object.values(window).map((values) => values.join("x")).join(" ");
  return `${machine}, batch ${batch}: ${operator} ${gradient} ` +
    `${channels} ${filters} ${groups} ${sizes} of ${candidates.toSorted().join(" ")}`;
}

/** Earlier choices; a file that is damaged counts as none, for it can be made again. */
async function readCache(file: string): Promise<Map<string, string>> {
  if (!await exists(file)) return new Map();
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(await readWhole(file)));
    return new Map(Object.entries(fileSchema.parse(value)));
  } catch {
    return new Map();
  }
}
