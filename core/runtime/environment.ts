import { RavnError } from "../error.ts";
import { Api, encodeCString, type Handle } from "./api.ts";
import { releaseFreedBlocks } from "./heap.ts";
import { findLibrary } from "./library.ts";

/** Severity of ONNX Runtime's log. Errors come back as a status and are told once, by ravn. */
const LOG_FATAL = 4;

/** What a process has once: the library, its thread pool, and the CPU's memory. */
export interface Environment {
  readonly api: Api;
  readonly library: string;
  readonly threads: number;
  readonly handle: Handle;
  /** Describes plain host memory to ONNX Runtime. */
  readonly hostMemory: Handle;
  /** ONNX Runtime's own allocator of host memory, which owns the strings it gives out. */
  readonly hostAllocator: Handle;
}

let environment: Environment | undefined;

/** Threads that a process takes when nobody says how many: one for each core. */
export function defaultThreads(): number {
  return navigator.hardwareConcurrency;
}

/** Threads with which this process computes already; undefined where it has not begun. */
export function threadsInUse(): number | undefined {
  return environment?.threads;
}

/**
 * The environment of this process, made on the first call. ONNX Runtime allows one for each
 * process, and its thread pool cannot change size afterwards.
 *
 * @throws {RavnError} when the library is missing, or another thread count or library was asked for
 * before.
 */
export function environmentOf(o: { threads?: number; library?: string } = {}): Environment {
  if (o.threads !== undefined && !(Number.isInteger(o.threads) && o.threads >= 1)) {
    throw new RavnError(`threads must be a whole number of at least 1, got ${o.threads}`);
  }
  if (environment === undefined) return environment = create(o);
  if (o.threads !== undefined && o.threads !== environment.threads) {
    throw new RavnError(
      `this process already computes with ${environment.threads} threads and cannot change to ` +
        `${o.threads}: ONNX Runtime has one thread pool for each process; start another process`,
    );
  }
  if (o.library !== undefined && o.library !== environment.library) {
    throw new RavnError(
      `this process already uses ${environment.library} and cannot load ${o.library} as well; ` +
        `start another process`,
    );
  }
  return environment;
}

function create(o: { threads?: number; library?: string }): Environment {
  const threads = o.threads ?? defaultThreads();
  const library = findLibrary(o.library);
  // Without this the library prepares to report to its makers, and leaves a log in /tmp a process.
  Deno.env.set("ORT_DISABLE_TELEMETRY", "1");
  releaseFreedBlocks();
  const api = Api.load(library);
  const hostMemory = api.handle((out) =>
    api.call.CreateCpuMemoryInfo(0, /* OrtDeviceAllocator */ 0, /* OrtMemTypeDefault */ out)
  );
  const hostAllocator = api.handle((out) => api.call.GetAllocatorWithDefaultOptions(out));
  const handle = createEnvironment(api, threads);
  registerArena(api, handle);
  return { api, library, threads, handle, hostMemory, hostAllocator };
}

/** The arena that sessions with `memory: "shared"` take their memory from, as it grows. */
function registerArena(api: Api, environment: Handle): void {
  const { call } = api;
  const arena = api.handle((out) =>
    call.CreateCpuMemoryInfo(/* OrtArenaAllocator */ 1, /* OrtMemTypeDefault */ 0, out)
  );
  api.check(call.CreateAndRegisterAllocator(environment, arena, null));
  call.ReleaseMemoryInfo(arena);
}

function createEnvironment(api: Api, threads: number): Handle {
  const { call } = api;
  const options = api.handle((out) => call.CreateThreadingOptions(out));
  try {
    api.check(call.SetGlobalIntraOpNumThreads(options, threads));
    // Operators run one after the other: a stage's graph is a chain, and the pool is shared anyway.
    api.check(call.SetGlobalInterOpNumThreads(options, 1));
    // Waiting threads sleep: spinning ones take the cores of the other providers on this machine.
    api.check(call.SetGlobalSpinControl(options, 0));
    // Denormals are kept: ONNX Runtime would flush them on some of its threads and not on others,
    // so that bits would depend on the thread that a run happens to land on.
    return api.handle((out) =>
      call.CreateEnvWithGlobalThreadPools(LOG_FATAL, encodeCString("ravn"), options, out)
    );
  } finally {
    call.ReleaseThreadingOptions(options);
  }
}
