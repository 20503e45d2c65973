import { sameExtent } from "../../onnx/mod.ts";
import { rule, type RuleEntry } from "../rule.ts";

/**
 * y = the middle of x, or x in the middle of zeros, along each axis: dx crops where y was padded
 * and pads where it was cropped. Of an odd difference the larger half is at the end.
 */
export const centerCropPad: RuleEntry = [
  rule((call) => [() => {
    const { emit, dy } = call;
    const [x, y] = [call.dims(call.input(0)), call.dims(call.output())];
    const missing = x.map((extent, axis) => {
      if (sameExtent(extent, y[axis]!)) return 0;
      if (typeof extent === "number" && typeof y[axis] === "number") return extent - y[axis];
      return call.refuse("it crops or pads the batch, whose size is not fixed");
    });
    const begins = missing.map((n) => Math.sign(n) * Math.floor(Math.abs(n) / 2));
    return emit.pad(dy, begins, missing.map((n, axis) => n - begins[axis]!));
  }, undefined], { since: 18 }),
];
