import { dirname, join } from "node:path";
import { EXIT, messageOf, RavnError } from "../error.ts";
import { type Api, encodeCString, type Handle } from "./api.ts";
import { LIBRARY_VARIABLE, thisHost } from "./library.ts";

/** Where a graph runs. */
export type Device = "cpu" | "cuda" | "webgpu";

/** ONNX Runtime's name for the memory of a device. */
export const MEMORY_NAMES = { cpu: "Cpu", cuda: "Cuda", webgpu: "WebGPU_Buf" } as const;

/** The two files of the CUDA provider, which must lie beside the library. */
const CUDA_PROVIDER = [
  "libonnxruntime_providers_shared.so",
  "libonnxruntime_providers_cuda.so",
] as const;

/** What those files are linked with, and where each comes from. */
const CUDA_LIBRARIES = [
  ["libcuda.so.1", "NVIDIA driver"],
  ["libcudart.so.12", "CUDA 12"],
  ["libcublas.so.12", "CUDA 12"],
  ["libcublasLt.so.12", "CUDA 12"],
  ["libcufft.so.11", "CUDA 12"],
  ["libcurand.so.10", "CUDA 12"],
  ["libcudnn.so.9", "cuDNN 9"],
] as const;

/** What the diagnosis of a missing provider asks of the machine. */
export interface Probe {
  readonly exists: (path: string) => boolean;
  /** Whether the dynamic loader finds and loads a library of this name. */
  readonly loads: (name: string) => boolean;
}

const thisMachine: Probe = {
  exists: thisHost.exists,
  loads: (name) => {
    try {
      Deno.dlopen(name, {}).close();
      return true;
    } catch {
      return false;
    }
  },
};

/**
 * Makes the sessions of these options run on `device`.
 *
 * @throws {RavnError} when the device cannot be used; it names what is missing and how to get it.
 * There is no silent fallback to the CPU.
 */
export function appendProvider(
  api: Api,
  library: string,
  options: Handle,
  device: Device,
  probe: Probe = thisMachine,
): void {
  if (device === "cpu") return;
  try {
    if (device === "cuda") appendCuda(api, options);
    else appendWebGpu(api, options);
  } catch (thrown) {
    const advice = device === "cuda" ? cudaAdvice(library, probe) : webGpuAdvice();
    throw new RavnError(`--device ${device} cannot be used: ${advice} [${messageOf(thrown)}]`, {
      exitCode: EXIT.usage,
      cause: thrown,
    });
  }
}

function appendCuda(api: Api, options: Handle): void {
  const { call } = api;
  const cuda = api.handle((out) => call.CreateCUDAProviderOptions(out));
  try {
    const settings = {
      device_id: "0",
      // The fastest convolution depends on timing; bits must not.
      cudnn_conv_algo_search: "HEURISTIC",
      use_tf32: "0",
    };
    const names = Object.keys(settings).map(encodeCString);
    const values = Object.values(settings).map(encodeCString);
    api.check(
      call.UpdateCUDAProviderOptions(
        cuda,
        addressesOf(names),
        addressesOf(values),
        BigInt(names.length),
      ),
    );
    api.check(call.SessionOptionsAppendExecutionProvider_CUDA_V2(options, cuda));
  } finally {
    call.ReleaseCUDAProviderOptions(cuda);
  }
}

function appendWebGpu(api: Api, options: Handle): void {
  api.check(
    api.call.SessionOptionsAppendExecutionProvider(
      options,
      encodeCString("WebGPU"),
      null,
      null,
      0n,
    ),
  );
}

/** A C array of strings; the strings must be held until the call is over. */
function addressesOf(strings: readonly Uint8Array<ArrayBuffer>[]): BigUint64Array<ArrayBuffer> {
  return BigUint64Array.from(strings, (bytes) => {
    void bytes.buffer;
    return Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes));
  });
}

/** Which part of CUDA is missing, and how to get it. */
export function cudaAdvice(library: string, probe: Probe): string {
  const folder = dirname(library);
  const provider = CUDA_PROVIDER.filter((name) => !probe.exists(join(folder, name)));
  if (provider.length > 0) {
    return `${provider.join(" and ")} missing in ${folder}: get them with ` +
      "`deno approve-scripts npm:onnxruntime-node` or " +
      "`npm install onnxruntime-node --onnxruntime-node-install=cuda12` (linux-x64), " +
      `or name a GPU build of ONNX Runtime by ${LIBRARY_VARIABLE}`;
  }
  const missing = CUDA_LIBRARIES.filter(([name]) => !probe.loads(name));
  if (missing.length > 0) {
    const names = missing.map(([name, source]) => `${name} (${source})`).join(", ");
    return `the dynamic loader does not find ${names}: install CUDA 12, cuDNN 9 and the driver, ` +
      "or add their folders to LD_LIBRARY_PATH";
  }
  return "all its libraries load; check with `nvidia-smi` that the driver sees a GPU";
}

function webGpuAdvice(): string {
  return "no GPU was found: on Linux it needs libvulkan.so.1 and a Vulkan driver, " +
    "on macOS Metal, on Windows Direct3D 12; or use --device cpu";
}
