import { floatOf, intOf } from "../../onnx/mod.ts";
import { axisOf, type Call } from "../call.ts";
import { rule, type RuleEntry } from "../rule.ts";
import { affineGradients, axesFrom, normalise, type Normalised } from "./normalised.ts";

/** x̂ by the node's own statistics where it gives them out, else by statistics made again. */
function normalisedOf(call: Call): Normalised {
  const { node, emit, type } = call;
  const x = call.input(0);
  const rank = call.dims(x).length;
  const axes = axesFrom(axisOf(intOf(node, "axis", -1), rank), rank);
  const [, mean = "", inverse = ""] = node.outputs;
  // Its statistics are float32 at most, whatever the type of x.
  if (mean === "" || inverse === "" || type !== "float32") {
    return normalise(call, x, { axes, epsilon: floatOf(node, "epsilon", 1e-5), centred: true });
  }
  return { hat: emit.mul(emit.sub(x, mean), inverse), inverse, axes, centred: true };
}

/**
 * y = scale x̂ + bias, x̂ being x normalised over its last axes (Ba et al. 2016): dbias = Σ dy,
 * dscale = Σ dy x̂ over all other axes.
 */
export const layerNormalization: RuleEntry = [
  rule((call) => {
    if (call.outputGradients.slice(1).some((gradient) => gradient !== undefined)) {
      call.refuse("its statistics carry no gradient");
    }
    const { data, scale, bias } = affineGradients(call, {
      dims: call.dims(call.output()),
      normalised: () => normalisedOf(call),
      scale: 1,
      bias: 2,
    });
    return [data, scale, bias];
  }),
];
