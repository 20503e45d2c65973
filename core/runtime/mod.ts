/** ONNX Runtime and memory: sessions, bindings, the arena, and the kernels that work on it. */
export { OrtError, type OrtErrorCode } from "./api.ts";
export { Runtime } from "./runtime.ts";
export { cancelRuns } from "./runs.ts";
export type { Device } from "./provider.ts";
export type { DeviceMemory, DeviceTensor } from "./device.ts";
export type { Optimization, Port, Session, SessionMemory } from "./session.ts";
export type { Bindable, Binding } from "./binding.ts";
export { copyOf, type TensorView, Value } from "./value.ts";
export { alignedBytes, ALIGNMENT_BYTES, freeBytes } from "./memory.ts";
export { createShared, openShared, type SharedBlock } from "./shared_memory.ts";
export { Arena, floatsOf, paddedSize } from "./arena.ts";
export { adam, type AdamUpdate, sgd, type SgdUpdate } from "./kernels/optimizers.ts";
export {
  adagrad,
  type AdagradUpdate,
  lion,
  type LionUpdate,
  rmsprop,
  type RmspropUpdate,
} from "./kernels/adaptive.ts";
export { lamb, type LambUpdate } from "./kernels/lamb.ts";
export {
  add,
  anyNotFinite,
  blend,
  clamp,
  lerp,
  scale,
  sumOfSquares,
} from "./kernels/elementwise.ts";
export { type DropoutMask, dropoutMask } from "./kernels/dropout.ts";
export {
  addRows,
  clearRows,
  marksBytes,
  openRows,
  rowNumbers,
  type RowTable,
} from "./kernels/rows.ts";
export { codecKernels } from "./kernels/codecs.ts";
export { adamGraph, adamScalarsTensor, sgdGraph, sgdScalarsTensor } from "./optimizer_graph.ts";
export {
  adagradGraph,
  adagradScalarsTensor,
  lambGraph,
  lambScalarsTensor,
  lionGraph,
  lionScalarsTensor,
  rmspropGraph,
  rmspropScalarsTensor,
} from "./adaptive_graph.ts";
export { type GraphParameter, SCALARS, type UpdateGraphOptions } from "./update_graph.ts";
export { blockedGraph } from "./blocked/blocked_graph.ts";
export { blockedModels, blockSize } from "./blocked/block_size.ts";
