/**
 * What the command line asks of the engine, and what it gets back: one request and one report a
 * verb. Paths are relative to the current folder. An absent `config` means `ravn.yaml` there.
 */

import type { Explanation, Objective, PlanDiff } from "../planning/mod.ts";

/** Where the model is cut: equal time, equal parameters, or Ravnest's shares. */
export const SPLITS = ["time", "params", "ravnest"] as const;
/** One of {@link SPLITS}. */
export type Split = typeof SPLITS[number];

/** Whether a stage keeps its activations or computes them again for the backward pass. */
export const RECOMPUTES = ["auto", "on", "off"] as const;
/** One of {@link RECOMPUTES}. */
export type Recompute = typeof RECOMPUTES[number];

/** Where a stage computes. */
export const DEVICES = ["cpu", "cuda", "webgpu"] as const;
/** One of {@link DEVICES}. */
export type DeviceName = typeof DEVICES[number];

/** Write a folder that can be trained: configuration, node file, example model. */
export interface InitRequest {
  readonly folder: string;
  /** Name of an example network, e.g. `"digits_cnn"`. */
  readonly model: string;
  /** Replace files that are already there. */
  readonly force: boolean;
}

/** Files written by `init`, in order. */
export interface InitReport {
  readonly files: readonly string[];
}

/** Cut a model over the nodes of a node file and write `node_data/`. */
export interface ClusterizeRequest {
  /** Absent: the configuration's model. */
  readonly model?: string;
  readonly config?: string;
  /** The node file. */
  readonly nodes: string;
  /** Absent: the configuration's, as for all that follows. */
  readonly split?: Split;
  /**
   * Number of clusters, or the nodes of each as in `"0,1,2;3,4"`; absent: as the genetic algorithm
   * finds best.
   */
  readonly clusters?: number | string;
  /** What clusters are formed for; absent: `balance`. */
  readonly objective?: Objective;
  readonly batch?: number;
  readonly seed?: number;
  readonly inFlight?: number;
  readonly recompute?: Recompute;
  /** Plan and report, but write nothing. */
  readonly dryRun: boolean;
  /** Predict how fast the plan is, and what would make it faster. */
  readonly explain: boolean;
  /** Replace a plan whose stages have been trained. */
  readonly force: boolean;
}

/** A plan as the command line shows it. */
export interface ClusterizeReport {
  /** The walkthrough's block for each node. */
  readonly log: string;
  /** A row for each stage: node, role, operators, parameters, memory, time, bytes sent. */
  readonly table: string;
  /** The content of `plan.json`. */
  readonly plan: object;
  /** Names of the nodes, in the order in which they train. */
  readonly nodes: readonly string[];
  /** Files written; empty after a dry run. */
  readonly files: readonly string[];
  /** Where it was asked for. */
  readonly explanation?: Explanation;
}

/** Plan without writing anything, and explain the plan. */
export interface PlanRequest extends Omit<ClusterizeRequest, "dryRun" | "explain" | "force"> {
  /** A plan to compare with. */
  readonly diff?: string;
}

/** A plan, its predicted speed, and what would make it faster. */
export interface PlanReport extends ClusterizeReport {
  readonly explanation: Explanation;
  /** From the plan that was given to this one. */
  readonly diff?: PlanDiff;
}

/** Measure this node and its links, and write what was found into the node file. */
export interface ProbeRequest {
  /** Which node this is; absent: the only one of this machine. */
  readonly name?: string;
  readonly config?: string;
  /** The node file. */
  readonly nodes: string;
  /** Secret that all who probe know; absent: that of `node_data/probe_token`. */
  readonly token?: string;
  /** How long the other nodes are waited for; absent: the configuration's. */
  readonly timeout_s?: number;
}

/** What `probe` found. Rates are in Mbit/s (10⁶ bits), memory in MB (2²⁰ bytes). */
export interface ProbeReport {
  readonly node: string;
  readonly cores: number;
  readonly memory_mb: number;
  /** All operators of the model, forward and backward, for one micro-batch. */
  readonly operators_ms: number;
  readonly links: readonly ProbedLinkRow[];
  readonly missing: readonly { readonly node: string; readonly why: string }[];
  /** The node file that was written. */
  readonly file: string;
}

/** A link that was measured, and the speed of the node behind it relative to this one. */
export interface ProbedLinkRow {
  readonly node: string;
  readonly address: string;
  readonly via: string;
  readonly out_mbps: number;
  readonly in_mbps: number;
  /** One way. */
  readonly latency_ms: number;
  readonly speed?: number;
}

/** Train one stage as one node of the plan. */
export interface ProvideRequest {
  /** Node name, e.g. `"node_2"`. */
  readonly name: string;
  readonly config?: string;
  /** Keys of the configuration to replace, as written. */
  readonly set?: readonly (readonly [key: string, value: string])[];
  /** Replace a stage that was trained before. */
  readonly force: boolean;
  readonly inFlight?: number;
  /** Absent: the configuration's, as for all that follows. */
  readonly device?: DeviceName;
  /** Threads of ONNX Runtime. */
  readonly threads?: number;
  /** Run token; absent: the node file's. */
  readonly token?: string;
  /** How long to wait for peers. */
  readonly timeout_s?: number;
  /** Write down what the node does, for `trace`. */
  readonly trace?: boolean;
}

/** Train the whole plan on this machine. */
export interface TrainRequest {
  readonly config?: string;
  /** The unsplit model in one process. */
  readonly single: boolean;
  /** Keys of the configuration to replace, as written: `["optimizer.lr", "0.01"]`. */
  readonly set: readonly (readonly [key: string, value: string])[];
  readonly force: boolean;
  /** Absent: the configuration's. */
  readonly device?: DeviceName;
  readonly threads?: number;
  /** Write down what each node does, for `trace`. */
  readonly trace?: boolean;
}

/** How a training run ended. */
export interface TrainReport {
  /** The joined model and weights, where the run saved them. */
  readonly trained: readonly string[];
  readonly metrics?: EvalReport;
}

/** Join the trained stages of a cluster into one model. */
export interface FuseRequest {
  readonly cluster: number;
  /** Folder for `trained.onnx` and `trained.safetensors`. */
  readonly out: string;
  readonly force: boolean;
}

/** Files written by `fuse`. */
export interface FuseReport {
  readonly stages: number;
  readonly parameters: number;
  readonly files: readonly string[];
}

/** A file, or a file for each input of a model by the input's name. */
export type Inputs = string | Readonly<Record<string, string>>;

/** Measure a model on labelled data. Without `inputs` the configuration's validation set. */
export interface EvalRequest {
  readonly model: string;
  readonly inputs?: Inputs;
  readonly labels?: string;
  readonly config?: string;
  /** Keys of the configuration to replace, as written. */
  readonly set?: readonly (readonly [key: string, value: string])[];
  readonly batch: number;
}

/**
 * Metrics over a data set; accuracies in percent. `accuracy` is absent where the labels are not
 * classes, `sequenceAccuracy` (samples right in every place that counts) where each has only one.
 */
export interface EvalReport {
  readonly samples: number;
  readonly loss?: number;
  readonly accuracy?: number;
  readonly sequenceAccuracy?: number;
}

/** Run a model over data and keep its output. */
export interface PredictRequest {
  readonly model: string;
  readonly inputs: Inputs;
  readonly out: string;
  readonly batch: number;
}

/** The file of predictions and the shape of what it holds. */
export interface PredictReport {
  readonly file: string;
  readonly dims: readonly number[];
}

/** Describe a model file. */
export interface InspectRequest {
  readonly model: string;
}

/** A named tensor; unknown dimensions are names. */
export interface TensorRow {
  readonly name: string;
  readonly dtype: string;
  readonly dims: readonly (number | string)[];
}

/** A node of a graph. `gradient` is "none" where none flows, "refused" where that is an error. */
export interface NodeRow {
  readonly name: string;
  readonly op: string;
  readonly domain: string;
  /** Shape of the first output, where it is known. */
  readonly dims?: readonly (number | string)[];
  readonly gradient: "yes" | "none" | "refused";
  /** Why the operator is refused. */
  readonly reason?: string;
}

/** A model as the command line shows it. */
export interface InspectReport {
  readonly name: string;
  readonly opsets: Readonly<Record<string, number>>;
  readonly inputs: readonly TensorRow[];
  readonly outputs: readonly TensorRow[];
  readonly parameters: readonly TensorRow[];
  /** Float tensors of more than one element that are not trained, and why. */
  readonly fixed: readonly { readonly name: string; readonly why: string }[];
  readonly nodes: readonly NodeRow[];
}

/** Compare the gradients of a model with finite differences. */
export interface VerifyRequest {
  readonly model: string;
  /** Absent: inputs are made up. */
  readonly inputs?: Inputs;
  /** Samples at most; absent: four, or fewer where the model is large. */
  readonly batch?: number;
  /** Sizes by name of free dimensions other than the batch. */
  readonly sizes?: ReadonlyMap<string, number>;
  /** Of the made-up inputs, weights of the outputs and directions. */
  readonly seed: number;
  /** Relative error that counts as none. */
  readonly tolerance: number;
  /** Time for all together, reading included: after it nothing further is looked at. */
  readonly seconds: number;
}

/** A gradient along one direction, beside the finite difference. */
export interface VerifyRow {
  readonly kind: "model" | "operator" | "parameter";
  /** Direction, node or parameter. */
  readonly name: string;
  /** Of an operator, and its input to which the gradient belongs. */
  readonly op?: string;
  readonly input?: string;
  /** `unclear`: the gradient is too small beside rounding errors to be measured. */
  readonly verdict: "agrees" | "differs" | "unclear";
  /** Absent where it is no number. */
  readonly relative?: number;
  readonly analytic: number;
  readonly numeric: number;
  readonly step: number;
}

/** How much was looked at of how many. */
export interface Coverage {
  readonly checked: number;
  readonly of: number;
}

/** What `verify` found. */
export interface VerifyReport {
  readonly file: string;
  /** `incomplete`: nothing differs, but no slope of the whole model was reached and measured. */
  readonly verdict: "pass" | "fail" | "incomplete";
  readonly samples: number;
  readonly tolerance: number;
  /** Directions of the whole model, distinct operators, parameters that reach an output. */
  readonly model: Coverage;
  readonly operators: Coverage;
  readonly parameters: Coverage;
  /** Time that would do for everything, where not all was looked at; an estimate. */
  readonly secondsForAll?: number;
  /** Parameters on which no output depends. */
  readonly idle: readonly string[];
  readonly worst?: VerifyRow;
  readonly rows: readonly VerifyRow[];
  readonly seconds: number;
}

/** One check of `doctor`: what was found, or why it failed and what to try. */
export interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
}
