// @ts-nocheck: AssemblyScript, compiled by ../build.ts
export { adam, sgd, sgdMomentum } from "./optimizers";
export { adagrad, lion, rmsprop, rmspropFull } from "./adaptive";
export { lambMoments, lambStep } from "./lamb";
export { add, blend, clamp, scale } from "./elementwise";
export {
  decodeBf16,
  decodeF16,
  decodeInt8,
  encodeBf16,
  encodeF16,
  encodeInt8,
} from "./codecs";
export { dropoutMask } from "./dropout";
export { addRows, clearRows, openRows } from "./rows";
export { anyNotFinite, sumOfSquares } from "./reductions";
