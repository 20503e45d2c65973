import { intOf, stringOf } from "../../onnx/mod.ts";
import { axisOf, type Call } from "../call.ts";
import { type Gradient, rule, type RuleEntry } from "../rule.ts";
import { namedRows, putRows } from "./named_rows.ts";
import { type Put, scatterElements } from "./scatter_elements.ts";

/** The places of a tensor in the shape of x that the indices of a node name. */
interface Places {
  /** The elements of `value` at the places, in the shape of the updates. */
  take(value: string): string;
  /** `onto` with `updates` at the places. */
  put(onto: string, updates: string, how: Put): string;
}

/**
 * Gradients of y = x with the updates u at some places.
 *
 * ```text
 * none: dx = dy, 0 at the places         du = dy there
 * add:  dx = dy                          du = dy there
 * mul:  dx = dy Π u                      du = dy there times x and the other u at the place
 * max, min: n = how many attain y        dx = [x = y] dy/n     du = [u = y there] (dy/n) there
 * ```
 *
 * Of several updates without reduction at one place each gets its gradient, as in PyTorch.
 */
function gradientsOf(call: Call, places: Places): (Gradient | undefined)[] {
  const { emit, dy, type, node } = call;
  const y = call.output();
  const [x, updates] = [call.input(0), call.input(2)];
  const reduction = stringOf(node, "reduction", "none");
  if (reduction === "none") {
    const cleared = () => places.put(dy, call.zerosLike(updates), "none");
    return [cleared, undefined, () => places.take(dy)];
  }
  if (reduction === "add") return [() => dy, undefined, () => places.take(dy)];
  if (reduction === "mul") {
    return [() => places.put(dy, updates, "mul"), undefined, () => factorGradient(call, places)];
  }
  if (reduction !== "max" && reduction !== "min") call.refuse(`reduction "${reduction}"`);
  const ofX = () => emit.indicator(emit.equal(x, y), type);
  const ofUpdates = () => emit.indicator(emit.equal(updates, places.take(y)), type);
  const share = () => emit.div(dy, places.put(ofX(), ofUpdates(), "add"));
  return [
    () => emit.mul(ofX(), share()),
    undefined,
    () => emit.mul(ofUpdates(), places.take(share())),
  ];
}

/**
 * du for y = x Π u: the product without the factor u itself. Factors that are 0 are counted and
 * left out of the product, so that nothing is divided by 0: one counts if it is the only 0 at its
 * place, another if there is none.
 */
function factorGradient(call: Call, places: Places): string {
  const { emit, dy, type } = call;
  const [x, updates] = [call.input(0), call.input(2)];
  const isZero = emit.indicator(emit.equal(updates, emit.scalar(type, 0)), type);
  const nonZero = emit.add(updates, isZero);
  const product = places.put(x, nonZero, "mul");
  const zeros = places.take(places.put(call.zerosLike(x), isZero, "add"));
  const others = emit.div(places.take(emit.mul(dy, product)), nonZero);
  return emit.mul(others, emit.indicator(emit.equal(zeros, isZero), type));
}

function axisFrom(call: Call): number {
  return axisOf(intOf(call.node, "axis", 0), call.dims(call.input(0)).length);
}

/** y = x with updates at an index of its own for each of them along an axis. */
export const scatterElementsRule: RuleEntry = [
  rule((call) => {
    const axis = axisFrom(call);
    const indices = call.input(1);
    return gradientsOf(call, {
      take: (value) => call.emit.node("GatherElements", [value, indices], { axis }),
      put: (onto, updates, put) => scatterElements(call, onto, indices, updates, { axis, put }),
    });
  }, { since: 11 }),
];

/** What ScatterElements was called before opset 11, when nothing could take elements that way. */
export const scatter: RuleEntry = [
  rule((call) => {
    const axis = axisFrom(call);
    const o = { axis, put: "none" } as const;
    return [
      () => scatterElements(call, call.dy, call.input(1), call.zerosLike(call.input(2)), o),
      undefined,
      () => call.refuse("the gradient of its updates takes opset 11 or later"),
    ];
  }, { since: 9, until: 10 }),
];

/**
 * y = x with updates at tuples of indices. ScatterND itself may lose additions at a place that is
 * named twice (its threads race), so only its plain form is emitted.
 */
export const scatterNd: RuleEntry = [
  rule((call) => {
    const { emit } = call;
    const indices = call.input(1);
    return gradientsOf(call, {
      take: (value) => emit.node("GatherND", [value, indices]),
      put: (onto, updates, put) =>
        put === "none"
          ? emit.node("ScatterND", [onto, indices, updates])
          : putRows(call, namedRows(call, 0), { onto, updates, put }),
    });
  }, { since: 11 }),
];
