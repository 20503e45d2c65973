import { type Extent, floatOf, intOf } from "../../onnx/mod.ts";
import type { Call } from "../call.ts";
import { type Gradient, rule, type RuleEntry } from "../rule.ts";
import { normalise, type Normalised, throughNormalised } from "./normalised.ts";

/** x as [samples, parts, elements of a part]. */
function partsOf(call: Call, parts: number): Extent[] {
  const [samples, ...rest] = call.dims(call.input(0));
  const elements = rest.reduce<number>(
    (product, extent) =>
      typeof extent === "number"
        ? product * extent
        : call.refuse("a dimension other than the first follows the batch"),
    1,
  );
  return [samples!, parts, elements / parts];
}

/**
 * y = scale x̂ + bias, x̂ being x [samples, channels, …] normalised over each of `groups` groups of
 * channels. Scale and bias have one element for each of `affineParts` equal parts of the channels.
 */
function groupedGradients(
  call: Call,
  { groups, affineParts }: { readonly groups: number; readonly affineParts: number },
): Gradient[] {
  const { emit, node } = call;
  const x = call.input(0);
  const grouped = partsOf(call, groups);
  const affine = partsOf(call, affineParts);
  const dy = () => emit.reshape(call.dy, affine);
  const normalised = (): Normalised =>
    normalise(call, emit.reshape(x, grouped), {
      axes: [2],
      epsilon: floatOf(node, "epsilon", 1e-5),
      centred: true,
    });
  return [
    () => {
      const g = emit.mul(dy(), emit.reshape(call.input(1), [affineParts, 1]));
      const inner = groups === affineParts ? g : emit.reshape(g, grouped);
      return call.reshapeLike(throughNormalised(call, normalised(), inner), x);
    },
    () => {
      const { hat } = normalised();
      const turned = groups === affineParts ? hat : emit.reshape(hat, affine);
      return emit.reduceSum(emit.mul(dy(), turned), [0, 2], false);
    },
    () => emit.reduceSum(dy(), [0, 2], false),
  ];
}

function channelsOf(call: Call): number {
  const channels = call.dims(call.input(0))[1];
  return typeof channels === "number"
    ? channels
    : call.refuse("the number of channels follows the batch");
}

/** Each channel of each sample normalised by itself (Ulyanov et al. 2016). */
export const instanceNormalization: RuleEntry = [
  rule((call) => {
    const channels = channelsOf(call);
    return groupedGradients(call, { groups: channels, affineParts: channels });
  }),
];

/**
 * Groups of channels normalised together (Wu and He 2018). Opset 18 scales each group, opset 21
 * each channel.
 */
export const groupNormalization: RuleEntry = [
  rule((call) => {
    const groups = intOf(call.node, "num_groups", 1);
    return groupedGradients(call, { groups, affineParts: groups });
  }, { since: 18, until: 20 }),
  rule((call) => {
    const groups = intOf(call.node, "num_groups", 1);
    return groupedGradients(call, { groups, affineParts: channelsOf(call) });
  }, { since: 21 }),
];
