import { type Attribute, floatOf, stringOf } from "../../onnx/mod.ts";
import { Call } from "../call.ts";
import { type Gradient, rule, type RuleEntry } from "../rule.ts";
import { conv } from "./conv.ts";
import { gemm } from "./matmul.ts";

/** An activation that was fused into the operator before it. */
interface Activation {
  readonly name: string;
  /** Its attributes in the order of its definition, where they are given. */
  readonly parameters: readonly number[];
}

/** f'(x) of each activation, from y = f(x) alone. */
const SLOPES: Readonly<Record<string, (call: Call, parameters: readonly number[]) => string>> = {
  Relu: (call) => above(call, 0),
  LeakyRelu: (call, [alpha = 0.01]) => {
    const { emit, type } = call;
    const slope = emit.scale(above(call, 0), type, 1 - alpha);
    return emit.add(slope, emit.scalar(type, alpha));
  },
  Sigmoid: ({ emit, type, node }) => {
    const y = node.outputs[0]!;
    return emit.mul(y, emit.sub(emit.scalar(type, 1), y));
  },
  Tanh: ({ emit, type, node }) => {
    const y = node.outputs[0]!;
    return emit.sub(emit.scalar(type, 1), emit.mul(y, y));
  },
  Clip: (call, [low = -Infinity, high = Infinity]) => between(call, low, high),
  HardSigmoid: (call, [alpha = 0.2]) => call.emit.scale(between(call, 0, 1), call.type, alpha),
};

/** 1 where y is above `low`. */
function above({ emit, type, node }: Call, low: number): string {
  return emit.indicator(emit.node("Greater", [node.outputs[0]!, emit.scalar(type, low)]), type);
}

/** 1 where y lies strictly between two bounds. */
function between(call: Call, low: number, high: number): string {
  const { emit, type, node } = call;
  const under = emit.node("Less", [node.outputs[0]!, emit.scalar(type, high)]);
  return emit.mul(above(call, low), emit.indicator(under, type));
}

/** The gradient before the activation. */
function throughActivation(call: Call, { name, parameters }: Activation): string {
  if (name === "") return call.dy;
  const slope = SLOPES[name];
  if (slope === undefined) {
    return call.refuse(`its activation ${name}; known are ${Object.keys(SLOPES).join(", ")}`);
  }
  return call.emit.mul(call.dy, slope(call, parameters));
}

/** The gradients of the operator that the activation was fused into. */
function inner(
  call: Call,
  dz: string,
  o: { readonly op: string; readonly rules: RuleEntry; readonly inputs: number },
): readonly (Gradient | undefined)[] {
  const { node, emit, around } = call;
  const plain = {
    ...node,
    op: o.op,
    domain: "",
    inputs: node.inputs.slice(0, o.inputs),
  };
  const found = o.rules.find((entry) => entry.kind === "differentiable");
  if (found?.kind !== "differentiable") return [];
  return found.gradients(new Call(plain, emit.opset, emit, [dz], around));
}

function floatsOf(attribute: Attribute | undefined): readonly number[] {
  return attribute?.type === "floats" ? attribute.value : [];
}

/** y = f(Conv(x, w) + b + z), ONNX Runtime's convolution with activation and a value to add. */
export const fusedConv: RuleEntry = [
  rule((call) => {
    const dz = throughActivation(call, {
      name: stringOf(call.node, "activation", ""),
      parameters: floatsOf(call.node.attributes["activation_params"]),
    });
    const [x, w, b] = inner(call, dz, { op: "Conv", rules: conv, inputs: 3 });
    return [x, w, b, () => dz];
  }),
];

/** y = f(Gemm(a, b, c)), ONNX Runtime's product with activation. */
export const fusedGemm: RuleEntry = [
  rule((call) => {
    const { node } = call;
    const given = ["activation_alpha", "activation_beta"].filter((key) => key in node.attributes);
    const dz = throughActivation(call, {
      name: stringOf(node, "activation", ""),
      parameters: given.map((key) => floatOf(node, key, 0)),
    });
    return inner(call, dz, { op: "Gemm", rules: gemm, inputs: 3 });
  }),
];
