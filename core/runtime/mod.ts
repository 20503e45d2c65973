/** ONNX Runtime and memory: sessions, bindings, the arena, and the kernels that work on it. */
export { OrtError, type OrtErrorCode } from "./api.ts";
export { Runtime } from "./runtime.ts";
export type { Device } from "./provider.ts";
export type { DeviceMemory, DeviceTensor } from "./device.ts";
export type { Optimization, Port, Session } from "./session.ts";
export type { Bindable, Binding } from "./binding.ts";
export { copyOf, type TensorView, Value } from "./value.ts";
export { alignedBytes, ALIGNMENT_BYTES } from "./memory.ts";
export { createShared, openShared, type SharedBlock } from "./shared_memory.ts";
export { Arena, floatsOf, paddedSize } from "./arena.ts";
export { adam, type AdamUpdate, sgd, type SgdUpdate } from "./kernels/optimizers.ts";
export { add, anyNotFinite, blend, lerp, scale, sumOfSquares } from "./kernels/elementwise.ts";
export { type DropoutMask, dropoutMask } from "./kernels/dropout.ts";
export {
  adamGraph,
  adamScalarsTensor,
  type GraphParameter,
  SCALARS,
  sgdGraph,
  sgdScalarsTensor,
} from "./optimizer_graph.ts";
