/**
 * The functions of ONNX Runtime's C API that ravn calls (`onnxruntime_c_api.h`, struct `OrtApi`):
 * the slot of each in the table of function pointers, and its parameters. Slots are part of the
 * binary interface: new functions are only ever added at the end of the table.
 */

/** Oldest version of the C API that has every slot below. */
export const API_VERSION = 17;

interface Signature<P extends readonly Deno.NativeType[], R extends Deno.NativeResultType> {
  readonly slot: number;
  readonly parameters: P;
  readonly result: R;
}

/** A function that answers with an `OrtStatus*`: null is success. */
function status<const P extends readonly Deno.NativeType[]>(
  slot: number,
  ...parameters: P
): Signature<P, "pointer"> {
  return { slot, parameters, result: "pointer" };
}

/** A function that releases a handle; null is allowed. */
function release(slot: number): Signature<readonly ["pointer"], "void"> {
  return { slot, parameters: ["pointer"], result: "void" };
}

const P = "pointer";
const B = "buffer";

/** Slot, parameters and result by function name. */
export const SIGNATURES = {
  GetErrorCode: { slot: 1, parameters: [P], result: "i32" },
  GetErrorMessage: { slot: 2, parameters: [P], result: "pointer" },
  ReleaseStatus: release(93),

  CreateThreadingOptions: status(121, B),
  SetGlobalIntraOpNumThreads: status(147, P, "i32"),
  SetGlobalInterOpNumThreads: status(148, P, "i32"),
  SetGlobalSpinControl: status(149, P, "i32"),
  ReleaseThreadingOptions: release(122),
  CreateEnvWithGlobalThreadPools: status(119, "i32", B, P, B),

  CreateSessionOptions: status(10, B),
  SetSessionGraphOptimizationLevel: status(23, P, "i32"),
  SetIntraOpNumThreads: status(24, P, "i32"),
  EnableMemPattern: status(16, P),
  DisableMemPattern: status(17, P),
  SetDeterministicCompute: status(273, P, "bool"),
  DisablePerSessionThreads: status(120, P),
  AddSessionConfigEntry: status(130, P, B, B),
  SessionOptionsAppendExecutionProvider: status(216, P, B, B, B, "usize"),
  CreateCUDAProviderOptions: status(205, B),
  UpdateCUDAProviderOptions: status(206, P, B, B, "usize"),
  SessionOptionsAppendExecutionProvider_CUDA_V2: status(204, P, P),
  ReleaseCUDAProviderOptions: release(208),
  ReleaseSessionOptions: release(100),

  CreateSessionFromArray: status(8, P, B, "usize", P, B),
  SessionGetInputCount: status(30, P, B),
  SessionGetOutputCount: status(31, P, B),
  SessionGetInputTypeInfo: status(33, P, "usize", B),
  SessionGetOutputTypeInfo: status(34, P, "usize", B),
  SessionGetInputName: status(36, P, "usize", P, B),
  SessionGetOutputName: status(37, P, "usize", P, B),
  ReleaseSession: release(95),

  CastTypeInfoToTensorInfo: status(55, P, B),
  GetTensorElementType: status(60, P, B),
  GetDimensionsCount: status(61, P, B),
  GetDimensions: status(62, P, B, "usize"),
  GetSymbolicDimensions: status(63, P, B, "usize"),
  ReleaseTypeInfo: release(98),
  ReleaseTensorTypeAndShapeInfo: release(99),

  GetAllocatorWithDefaultOptions: status(78, B),
  CreateAllocator: status(131, P, P, B),
  AllocatorFree: status(76, P, P),
  ReleaseAllocator: release(132),
  CreateMemoryInfo: status(68, B, "i32", "i32", "i32", B),
  CreateAndRegisterAllocator: status(144, P, P, P),
  CreateCpuMemoryInfo: status(69, "i32", "i32", B),
  ReleaseMemoryInfo: release(94),

  CreateTensorWithDataAsOrtValue: status(49, P, B, "usize", B, "usize", "i32", B),
  /** The function before, for data that JavaScript cannot address. */
  CreateTensorWithDeviceDataAsOrtValue: status(49, P, P, "usize", B, "usize", "i32", B),
  CreateTensorAsOrtValue: status(48, P, B, "usize", "i32", B),
  GetTensorMutableData: status(51, P, B),
  GetTensorTypeAndShape: status(65, P, B),
  ReleaseValue: release(96),

  CreateRunOptions: status(39, B),
  RunOptionsSetTerminate: status(46, P),
  RunOptionsUnsetTerminate: status(47, P),
  ReleaseRunOptions: release(97),

  CreateIoBinding: status(134, P, B),
  BindInput: status(136, P, B, P),
  BindOutput: status(137, P, B, P),
  BindOutputToDevice: status(138, P, B, P),
  GetBoundOutputValues: status(140, P, P, B, B),
  RunWithBinding: status(133, P, P, P),
  ReleaseIoBinding: release(135),
} as const;

type Table = typeof SIGNATURES;

/** The functions as they are called from JavaScript; each call blocks. */
export type Calls = {
  readonly [Name in keyof Table]: Deno.FromForeignFunction<Table[Name]>;
};

/** The functions that may take long, answering with a promise while another thread works. */
export interface NonblockingCalls {
  readonly CreateSessionFromArray: Deno.FromForeignFunction<
    Table["CreateSessionFromArray"] & { readonly nonblocking: true }
  >;
  readonly RunWithBinding: Deno.FromForeignFunction<
    Table["RunWithBinding"] & { readonly nonblocking: true }
  >;
}
