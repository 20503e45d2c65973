import { floatOf, intOf } from "../../onnx/mod.ts";
import { axisOf, type Call } from "../call.ts";
import { productOf } from "../extent.ts";
import { rule, type RuleEntry } from "../rule.ts";
import { type AffineGradients, affineGradients, axesFrom, normalise } from "./normalised.ts";
import { rowGradients } from "./normalised_rows.ts";

/** By the node's own statistics where it gives them out, else by statistics made again. */
function gradientsOf(call: Call): AffineGradients {
  const { node, type } = call;
  const x = call.input(0);
  const dims = call.dims(x);
  const axis = axisOf(intOf(node, "axis", -1), dims.length);
  const [, mean = "", inverse = ""] = node.outputs;
  const width = productOf(dims.slice(axis));
  // Its statistics are float32 at most, whatever the type of x.
  if (mean !== "" && inverse !== "" && type === "float32" && typeof width === "number") {
    const known = rowGradients(call, { mean, inverse, width });
    if (known !== undefined) return known;
  }
  const axes = axesFrom(axis, dims.length);
  const epsilon = floatOf(node, "epsilon", 1e-5);
  return affineGradients(call, {
    dims: call.dims(call.output()),
    normalised: () => normalise(call, x, { axes, epsilon, centred: true }),
    scale: 1,
    bias: 2,
  });
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
    const { data, scale, bias } = gradientsOf(call);
    return [data, scale, bias];
  }),
];
