import { stringOf, tensor } from "../../onnx/mod.ts";
import type { Call } from "../call.ts";
import { rule, type RuleEntry } from "../rule.ts";

/** 1 where a label counts, 0 where it is the one to be ignored; undefined where all count. */
function counted(call: Call): string | undefined {
  const ignored = call.node.attributes["ignore_index"];
  if (ignored?.type !== "int") return undefined;
  const { emit } = call;
  const labels = call.input(1);
  const same = emit.equal(labels, emit.scalar(call.dtype(labels), ignored.value));
  return emit.indicator(emit.node("Not", [same]), call.type);
}

/** Weight of each label; undefined where all weigh 1. */
function weights(call: Call): string | undefined {
  const { emit } = call;
  const valid = counted(call);
  if (!call.has(2)) return valid;
  const labels = call.input(1);
  const zero = emit.scalar(call.dtype(labels), 0);
  const safe = valid === undefined
    ? labels
    : emit.node("Where", [emit.cast(valid, "bool"), labels, zero]);
  const own = emit.node("Gather", [call.input(2), safe]);
  return valid === undefined ? own : emit.mul(own, valid);
}

/** dL/d(loss of each label), weighted and divided as the reduction says; or one number for all. */
function perLabel(call: Call): string {
  const { dy, emit, node, type } = call;
  const weight = weights(call);
  const weighted = weight === undefined ? dy : emit.mul(dy, weight);
  if (stringOf(node, "reduction", "mean") !== "mean") return weighted;
  const labels = call.input(1);
  const axes = call.dims(labels).map((_, axis) => axis);
  const total = weight === undefined
    ? emit.cast(emit.node("Size", [labels]), type)
    : emit.reduceSum(weight, axes, false);
  return emit.div(weighted, total);
}

/** `perLabel` beside the classes, which are axis 1 of the scores. */
function besideClasses(call: Call): string {
  const { emit, node } = call;
  const scale = perLabel(call);
  const single = call.has(2) || counted(call) !== undefined ||
    stringOf(node, "reduction", "mean") === "none";
  return single ? emit.unsqueeze(scale, [1]) : scale;
}

/** 1 at the class of each label, in the shape of the scores. */
function labelled(call: Call): string {
  const { emit, type } = call;
  const classes = call.dims(call.input(0))[1];
  if (typeof classes !== "number") return call.refuse("the number of classes follows the batch");
  // ONNX Runtime's OneHot has no kernel for doubles.
  const values = emit.constant(tensor("float32", [2], [0, 1]));
  const depth = emit.scalar("int64", classes);
  const made = emit.node("OneHot", [call.input(1), depth, values], { axis: 1 });
  return type === "float32" ? made : emit.cast(made, type);
}

/** loss = −w[label] input[label], summed or averaged: dinput is −w at each label. */
export const negativeLogLikelihoodLoss: RuleEntry = [
  rule((call) => [
    () => call.emit.mul(labelled(call), call.emit.neg(besideClasses(call))),
  ], { since: 12 }),
];

/**
 * loss = −w[label] ln p[label] with p = softmax of the scores over axis 1: dscores = w (p − 1 at
 * the label), plus what arrives at ln p where the node gives that out.
 */
export const softmaxCrossEntropyLoss: RuleEntry = [
  rule((call) => {
    const { emit, outputGradients } = call;
    const [loss, beside] = outputGradients;
    return [() => {
      const p = emit.node("Softmax", [call.input(0)], { axis: 1 });
      const parts: string[] = [];
      if (loss !== undefined) {
        parts.push(emit.mul(emit.sub(p, labelled(call)), besideClasses(call)));
      }
      if (beside !== undefined) {
        parts.push(emit.sub(beside, emit.mul(p, emit.reduceSum(beside, [1], true))));
      }
      return emit.sum(parts);
    }];
  }, { since: 12 }),
];
