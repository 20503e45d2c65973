import { inferenceForm, SEED_INPUT, STEP_INPUT } from "../autodiff/mod.ts";
import type { Gradients, TrainingGraph } from "../autodiff/mod.ts";
import type { Facts, Graph } from "../onnx/mod.ts";
import type { LossSum } from "./loss_sum.ts";
import { SCALE } from "./manifest.ts";
import type { Port, StageManifest } from "./manifest.ts";
import type { StagePasses } from "./passes.ts";
import { assemble, portOf } from "./stage_graphs.ts";
import type { Piece, Shown } from "./stage_graphs.ts";
import { deferredPorts, incomingGradients, maskPorts } from "./stage_ports.ts";

/** The graphs of one stage. The last stage has `step` in the place of `forward` and `backward`. */
export interface StageGraphs {
  readonly forward?: Graph;
  readonly backward?: Graph;
  /** The gradients of the weights, where backward or step leaves them out. */
  readonly weights?: Graph;
  readonly step?: Graph;
  readonly evaluate: Graph;
}

/** What a stage computes. */
export interface StageWork {
  readonly training: TrainingGraph;
  /** On the last stage. */
  readonly loss: LossSum | undefined;
  readonly gradients: Gradients;
  readonly passes: StagePasses;
  /** Facts of all its values. */
  readonly facts: Facts;
}

/**
 * The graphs of a stage.
 *
 * @param model the stage's part of the model as the user's file has it, and the names of the
 *   running statistics in it
 */
export function stageGraphs(
  manifest: StageManifest,
  work: StageWork,
  model: { readonly part: Graph; readonly running: readonly string[] },
): StageGraphs {
  const { training: { graph: { opsets } }, passes, facts } = work;
  const fed = fedPorts(manifest, facts);
  const show = (value: string) => ({ port: portOf(facts, value), from: value });
  const statistics = manifest.statistics.map(({ batch }) => show(batch));
  const ofWeights = weightGradients(manifest, work);
  const shown = [
    ...sentBack(manifest, work),
    ...passes.deferred?.map(show) ?? ofWeights,
  ];
  const left = [...fed, ...manifest.stash, ...deferredPorts(manifest)];
  const later = {
    ...(manifest.deferred !== undefined
      ? { weights: assemble("weights", passes.weights, left, ofWeights, opsets) }
      : {}),
    evaluate: evaluateGraph(manifest, work, fed, model),
  };
  if (manifest.head !== undefined) {
    const lossPort = { value: manifest.head.loss, dtype: "float32" as const, dims: [] };
    const outputs = [{ port: lossPort, from: lossPort.value }, ...statistics, ...shown];
    const pieces = [...passes.forward, ...passes.backward];
    return { step: assemble("step", pieces, fed, outputs, opsets), ...later };
  }
  const values = [...manifest.outputs, ...manifest.stash].map(({ value }) => value);
  const outputs = [...new Set([...values, ...manifest.statistics.map(({ batch }) => batch)])];
  return {
    forward: assemble("forward", passes.forward, fed, outputs.map(show), opsets),
    ...(shown.length === 0
      ? {}
      : { backward: assemble("backward", passes.backward, left, shown, opsets) }),
    ...later,
  };
}

/** The gradients that go back to other stages. */
function sentBack({ inputs }: StageManifest, { gradients }: StageWork): Shown[] {
  return inputs.flatMap(({ gradient, value, dtype, dims }) =>
    gradient === undefined
      ? []
      : [{ port: { value: gradient, dtype, dims }, from: gradients.gradients.get(value)! }]
  );
}

/** The gradients of the stage's own weights. */
function weightGradients({ parameters }: StageManifest, { gradients }: StageWork): Shown[] {
  return parameters.map(({ name, dims, gradient }) => ({
    port: { value: gradient, dtype: "float32", dims },
    from: gradients.gradients.get(name)!,
  }));
}

/** Everything that may be fed to a graph of the stage. */
function fedPorts(manifest: StageManifest, facts: Facts): Port[] {
  return [
    ...manifest.inputs,
    ...incomingGradients(manifest),
    ...manifest.parameters.map(({ name }) => portOf(facts, name)),
    ...maskPorts(manifest),
    { value: SEED_INPUT, dtype: "uint32", dims: [1] },
    { value: STEP_INPUT, dtype: "uint32", dims: [1] },
    { value: SCALE, dtype: "float32", dims: [] },
  ];
}

/** The stage in inference form; weights and running statistics are fed, since they change. */
function evaluateGraph(
  { head }: StageManifest,
  { loss, facts }: StageWork,
  fed: readonly Port[],
  { part, running }: { readonly part: Graph; readonly running: readonly string[] },
): Graph {
  const graph = inferenceForm(part);
  const statistics = running.map((name) => portOf(facts, name));
  const output = head?.output;
  const made = part.outputs.map(({ name }) => name)
    .filter((name) => output === undefined || name === output.value);
  const shown = made.map((name) => ({ port: portOf(facts, name), from: name }));
  const pieces: Piece[] = [graph];
  if (output !== undefined && loss !== undefined) {
    if (made.length === 0) {
      shown.push({ port: { ...output, value: `ravn.output.${output.value}` }, from: output.value });
    }
    pieces.push(loss);
    if (loss.loss !== output.value) {
      shown.push({ port: { value: loss.loss, dtype: "float32", dims: [] }, from: loss.loss });
    }
  }
  return assemble("evaluate", pieces, [...fed, ...statistics], shown, graph.opsets);
}
