import assert from "node:assert/strict";
import { numbers, type Tensor, tensor } from "../onnx/mod.ts";
import { Random } from "../random.ts";
import {
  balancedDirection,
  judge,
  type Judgement,
  lossWeights,
  type Point,
  randomDirection,
  sizeOf,
  slopeAlong,
  slopeSize,
  steepestDirection,
  STEPS,
  stepsFor,
} from "./directional.ts";

const floats = (...values: number[]) => tensor("float32", [values.length], values);

/** Judges `gradient` of `f` at `x`, with `noise` as the rounding error of f. */
async function judged(
  f: (x: ArrayLike<number>) => number,
  x: Tensor,
  gradient: Tensor,
  noise = 0,
): Promise<Judgement> {
  const random = new Random(3);
  const point: Point = new Map([["x", x]]);
  const gradients: Point = new Map([["x", gradient]]);
  const direction = randomDirection(point, ["x"], random);
  const slopes = [];
  for (const step of STEPS) {
    slopes.push(
      await slopeAlong(
        { point, direction, gradients },
        step,
        (at) => Promise.resolve(f(numbers(at.get("x")!)) + noise * random.normal()),
      ),
    );
  }
  const scale = slopeSize(gradients, direction);
  return judge(slopes, { scale, loss: 1, tolerance: 0.01 });
}

const sines = (x: ArrayLike<number>) => Array.from(x, Math.sin).reduce((a, b) => a + b);
const at = floats(0.3, -1.2, 2, 0.7);
const cosines = floats(...Array.from(numbers(at), Math.cos));

Deno.test("a right gradient agrees, also under rounding errors", async () => {
  assert.equal((await judged(sines, at, cosines)).verdict, "agrees");
  assert.equal((await judged(sines, at, cosines, 1e-6)).verdict, "agrees");
});

Deno.test("a wrong gradient differs, also under rounding errors", async () => {
  const wrong = floats(...Array.from(numbers(cosines), (g, i) => i === 1 ? g + 0.3 : g));
  assert.equal((await judged(sines, at, wrong)).verdict, "differs");
  assert.equal((await judged(sines, at, wrong, 1e-6)).verdict, "differs");
});

Deno.test("kinks beside the point are stepped around", async () => {
  const kinked = (x: ArrayLike<number>) =>
    sines(x) + Array.from(x, (value) => 5 * Math.abs(value - 0.31)).reduce((a, b) => a + b);
  const signs = Array.from(numbers(at), (x) => 5 * Math.sign(x - 0.31));
  const gradient = floats(...Array.from(numbers(cosines), (g, i) => g + signs[i]!));
  const judgement = await judged(kinked, at, gradient);
  assert.equal(judgement.verdict, "agrees");
  assert.ok(judgement.step < 0.02);
});

Deno.test("a flat function among rounding errors is unclear", async () => {
  assert.equal((await judged(() => 0, at, floats(0, 0, 0, 0), 1e-3)).verdict, "unclear");
});

Deno.test("a gradient that is no number differs", async () => {
  assert.equal((await judged(sines, at, floats(NaN, 1, 1, 1))).verdict, "differs");
});

Deno.test("sizes leave zeros and infinities out; weights skip what is not finite", () => {
  assert.equal(sizeOf(floats(0, 0, 2, -2, -10000)), 2);
  assert.ok(Math.abs(sizeOf(floats(0, 0)) - 0.1) < 1e-12);
  const weights = lossWeights(new Map([["y", floats(1, -Infinity)]]), new Random(1));
  assert.equal(numbers(weights.get("y")!)[1], 0);
});

Deno.test("the steepest direction follows the gradient within three sizes", () => {
  const gradient = floats(100, 0, 0, 0);
  const direction = steepestDirection(new Map([["x", at]]), new Map([["x", gradient]]));
  const [first, ...others] = direction.get("x")!;
  assert.ok(first! > 0 && first! <= 3 * sizeOf(at) + 1e-9);
  assert.deepEqual(others, [0, 0, 0]);
});

Deno.test("steps that change L by about a thousandth come first", () => {
  assert.equal(stepsFor(1, 1)[0], 2 ** -9);
  assert.equal(stepsFor(2 ** 5, 1)[0], 2 ** -15);
  assert.equal(stepsFor(0, 1)[0], STEPS[0]);
  assert.deepEqual(stepsFor(1e30, 1), STEPS.toReversed());
});

Deno.test("in a balanced direction a large gradient does not outweigh the others", () => {
  const point: Point = new Map([["a", at], ["b", at], ["c", at]]);
  const gradients: Point = new Map(
    [["a", 1], ["b", 2], ["c", 1000]].map(([name, g]) => [`${name}`, floats(...Array(4).fill(g))]),
  );
  const direction = balancedDirection(point, gradients, new Random(1));
  const share = (name: string) => slopeSize(gradients, new Map([[name, direction.get(name)!]]));
  assert.ok(Math.abs(share("c") / share("b") - 1) < 1e-6 || share("c") <= share("b"));
  assert.ok(share("a") > 0);
});
