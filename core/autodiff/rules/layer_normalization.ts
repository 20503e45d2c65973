import { floatOf, intOf } from "../../onnx/mod.ts";
import { axisOf, type Call } from "../call.ts";
import { float } from "../emit.ts";
import { rule, type RuleEntry } from "../rule.ts";

/** The axes that are normalised: all from `axis` on. */
function axesOf(call: Call): number[] {
  const rank = call.dims(call.input(0)).length;
  const first = axisOf(intOf(call.node, "axis", -1), rank);
  return Array.from({ length: rank - first }, (_, i) => first + i);
}

/** Mean and inverse standard deviation: outputs 1 and 2, or computed again. */
function statisticsOf(call: Call): { mean: string; inverse: string } {
  const { node, emit } = call;
  const [, mean = "", inverse = ""] = node.outputs;
  // The operator computes its statistics in float32, whatever the type of x.
  const typed = (value: string) => call.type === "float32" ? value : emit.cast(value, call.type);
  if (mean !== "" && inverse !== "") return { mean: typed(mean), inverse: typed(inverse) };
  const inputs = node.inputs.slice(0, 2);
  const epsilon = float(floatOf(node, "epsilon", 1e-5));
  const attributes = { axis: intOf(node, "axis", -1), epsilon };
  const made = emit.outputs(3, "LayerNormalization", inputs, attributes);
  return { mean: typed(made[1]!), inverse: typed(made[2]!) };
}

/** x̂ = (x − mean) · inverse standard deviation. */
function normalised(call: Call): string {
  const { mean, inverse } = statisticsOf(call);
  return call.emit.mul(call.emit.sub(call.input(0), mean), inverse);
}

/** dx = inverse · (g − mean(g) − x̂ mean(g x̂)) with g = dy scale. */
function dataGradient(call: Call): string {
  const { dy, emit } = call;
  const axes = axesOf(call);
  const hat = normalised(call);
  const g = emit.mul(dy, call.input(1));
  const shift = emit.reduceMean(g, axes, true);
  const tilt = emit.reduceMean(emit.mul(g, hat), axes, true);
  const inner = emit.sub(emit.sub(g, shift), emit.mul(hat, tilt));
  return emit.mul(inner, statisticsOf(call).inverse);
}

/**
 * y = scale x̂ + bias, x̂ being x normalised over its last axes (Ba et al. 2016): dbias = Σ dy,
 * dscale = Σ dy x̂ over all other axes.
 */
export const layerNormalization: RuleEntry = [
  rule((call) => {
    const { dy, emit, outputGradients } = call;
    if (outputGradients.slice(1).some((gradient) => gradient !== undefined)) {
      call.refuse("its statistics carry no gradient");
    }
    const dims = call.dims(call.output());
    return [
      () => dataGradient(call),
      () => call.unbroadcast(emit.mul(dy, normalised(call)), dims, 1),
      () => call.unbroadcast(dy, dims, 2),
    ];
  }),
];
