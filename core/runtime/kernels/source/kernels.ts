// @ts-nocheck: AssemblyScript, compiled by ../build.ts
export { adam, sgd, sgdMomentum } from "./optimizers";
export { add, blend, scale } from "./elementwise";
export { dropoutMask } from "./dropout";
export { anyNotFinite, sumOfSquares } from "./reductions";
