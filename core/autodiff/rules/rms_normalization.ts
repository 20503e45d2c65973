import { floatOf, intOf } from "../../onnx/mod.ts";
import { axisOf, type Call } from "../call.ts";
import { rule, type RuleEntry } from "../rule.ts";
import { affineGradients, axesFrom, normalise, type Normalised } from "./normalised.ts";

function normalisedOf(call: Call): Normalised {
  const { node } = call;
  const x = call.input(0);
  const rank = call.dims(x).length;
  const axes = axesFrom(axisOf(intOf(node, "axis", -1), rank), rank);
  return normalise(call, x, { axes, epsilon: floatOf(node, "epsilon", 1e-5), centred: false });
}

/**
 * y = scale x̂ with x̂ = x / √(mean(x²) + ε) over the last axes (Zhang and Sennrich 2019):
 * dscale = Σ dy x̂. RMSNormalization of opset 23, and ONNX Runtime's SimplifiedLayerNormalization,
 * which it keeps in ONNX's own domain.
 */
export const rmsNormalization: RuleEntry = [
  rule((call) => {
    if (call.outputGradients[1] !== undefined) call.refuse("its statistics carry no gradient");
    const { data, scale } = affineGradients(call, {
      dims: call.dims(call.output()),
      normalised: () => normalisedOf(call),
      scale: 1,
      bias: 2,
    });
    return [data, scale];
  }),
];
