import { EXIT, messageOf, RavnError } from "../error.ts";
import { API_VERSION, type Calls, type NonblockingCalls, SIGNATURES } from "./signatures.ts";

/** A handle of the C API. */
export type Handle = Deno.PointerObject;

/** Where a function of the C API writes the handle that it made. */
export type Out = BigUint64Array<ArrayBuffer>;

/** `OrtErrorCode`, by number. */
const ERROR_CODES = [
  "OK",
  "FAIL",
  "INVALID_ARGUMENT",
  "NO_SUCHFILE",
  "NO_MODEL",
  "ENGINE_ERROR",
  "RUNTIME_EXCEPTION",
  "INVALID_PROTOBUF",
  "MODEL_LOADED",
  "NOT_IMPLEMENTED",
  "INVALID_GRAPH",
  "EP_FAIL",
  "MODEL_LOAD_CANCELED",
  "MODEL_REQUIRES_COMPILATION",
  "NOT_FOUND",
] as const;

/** Name of an ONNX Runtime error code; `"UNKNOWN"` for codes newer than this table. */
export type OrtErrorCode = (typeof ERROR_CODES)[number] | "UNKNOWN";

/** ONNX Runtime refused something: its error code and its message, on one line. */
export class OrtError extends RavnError {
  readonly code: OrtErrorCode;

  constructor(code: OrtErrorCode, message: string) {
    super(`ONNX Runtime: ${message} (${code})`, { exitCode: EXIT.failure });
    this.code = code;
  }
}

const POINTER_BYTES = 8;

/** The C API of one loaded library. Nothing outside this folder may hold one of its handles. */
export class Api {
  /** Version of the library, e.g. `"1.30.0"`. */
  readonly version: string;
  /** Blocking calls. */
  readonly call: Calls;
  /** The same functions for long work, on a thread of their own. */
  readonly nonblocking: NonblockingCalls;

  private constructor(version: string, table: Deno.UnsafePointerView) {
    this.version = version;
    this.call = blockingCalls(table);
    this.nonblocking = nonblockingCalls(table);
  }

  /**
   * Opens the shared library at `path`.
   *
   * @throws {RavnError} when it cannot be loaded, is not ONNX Runtime, or is too old.
   */
  static load(path: string): Api {
    let base: Deno.PointerValue;
    try {
      const library = Deno.dlopen(path, {
        OrtGetApiBase: { parameters: [], result: "pointer" },
      });
      base = library.symbols.OrtGetApiBase();
    } catch (thrown) {
      throw new RavnError(
        `cannot load ONNX Runtime from ${path}: ${oneLine(messageOf(thrown))}; ` +
          `set RAVN_ORT_LIB to the path of another libonnxruntime`,
        { cause: thrown },
      );
    }
    if (base === null) throw new RavnError(`${path} answers no API; is it ONNX Runtime?`);
    const view = new Deno.UnsafePointerView(base);
    const getApi = functionAt(view, 0, { parameters: ["u32"], result: "pointer" });
    const getVersion = functionAt(view, 1, { parameters: [], result: "pointer" });
    const version = Deno.UnsafePointerView.getCString(address(getVersion(), "its version"));
    const table = getApi(API_VERSION);
    if (table === null) {
      throw new RavnError(
        `ONNX Runtime ${version} at ${path} is too old: ravn needs 1.${API_VERSION} or newer`,
      );
    }
    return new Api(version, new Deno.UnsafePointerView(table));
  }

  /** Throws the error that `status` holds, if it holds one, and releases it. */
  check(status: Deno.PointerValue): void {
    if (status !== null) throw this.errorOf(status);
  }

  /** The handle that `make` writes to the out parameter it is given. */
  handle(make: (out: Out) => Deno.PointerValue): Handle {
    const out = new BigUint64Array(1);
    this.check(make(out));
    return pointerAt(out);
  }

  private errorOf(status: Handle): OrtError {
    const code = ERROR_CODES[this.call.GetErrorCode(status)] ?? "UNKNOWN";
    const text = this.call.GetErrorMessage(status);
    const message = text === null ? "no message" : Deno.UnsafePointerView.getCString(text);
    this.call.ReleaseStatus(status);
    return new OrtError(code, withoutSource(oneLine(message)));
  }
}

/** The handle in the first element of an out parameter. */
export function pointerAt(out: Out): Handle {
  return address(Deno.UnsafePointer.create(out[0]!), "an out parameter");
}

/** A pointer that cannot be null. */
export function address(pointer: Deno.PointerValue, what: string): Handle {
  if (pointer === null) throw new TypeError(`ONNX Runtime left ${what} null`);
  return pointer;
}

const encoder = new TextEncoder();

/** `text` as a C string. */
export function encodeCString(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text + "\0");
}

/** Text without line breaks, tabs or runs of blanks. */
export function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, " ").trim();
}

/** `file:line` and signature of a function in ONNX Runtime's own source, which help no user. */
const SOURCE_PLACE = new RegExp(
  [
    /\/onnxruntime_src\/\S+:\d+ /,
    /(?:[^()]*\([^()]*\)(?:::<lambda\(\)>)?(?: const)?(?: \[with [^\]]*\])? )?/,
  ].map(({ source }) => source).join(""),
  "g",
);

function withoutSource(message: string): string {
  return message.replaceAll(SOURCE_PLACE, "").replaceAll(
    /\[ONNXRuntimeError\] : \d+ : \w+ : /g,
    "",
  );
}

/** The function whose pointer lies in slot `slot` of `table`, ready to be called. */
function functionAt<const Fn extends Deno.ForeignFunction>(
  table: Deno.UnsafePointerView,
  slot: number,
  signature: Fn,
): Deno.FromForeignFunction<Fn> {
  const entry = table.getPointer<NoInfer<Omit<Fn, "nonblocking">>>(slot * POINTER_BYTES);
  if (entry === null) throw new TypeError(`ONNX Runtime has no function in slot ${slot}`);
  const pointer = new Deno.UnsafeFnPointer(entry, signature);
  return pointer.call.bind(pointer) as Deno.FromForeignFunction<Fn>;
}

function blockingCalls(table: Deno.UnsafePointerView): Calls {
  const calls: Record<string, unknown> = {};
  for (const [name, signature] of Object.entries(SIGNATURES)) {
    calls[name] = functionAt<Deno.ForeignFunction>(table, signature.slot, signature);
  }
  return calls as Calls;
}

function nonblockingCalls(table: Deno.UnsafePointerView): NonblockingCalls {
  const { CreateSessionFromArray: create, RunWithBinding: run } = SIGNATURES;
  return {
    CreateSessionFromArray: functionAt(table, create.slot, { ...create, nonblocking: true }),
    RunWithBinding: functionAt(table, run.slot, { ...run, nonblocking: true }),
  };
}
