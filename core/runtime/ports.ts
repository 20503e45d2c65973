import { RavnError } from "../error.ts";
import { type Api, type Handle, type Out, pointerAt } from "./api.ts";
import type { Environment } from "./environment.ts";
import type { Port } from "./session.ts";
import { dimensionsOf, elementTypeOf } from "./value.ts";

/** Names, element types and shapes of what a model takes and gives. */
export function portsOf(
  environment: Environment,
  session: Handle,
): { inputs: Port[]; outputs: Port[] } {
  const { call } = environment.api;
  const allocator = environment.hostAllocator;
  return {
    inputs: list(environment, {
      count: (out) => call.SessionGetInputCount(session, out),
      name: (i, out) => call.SessionGetInputName(session, i, allocator, out),
      type: (i, out) => call.SessionGetInputTypeInfo(session, i, out),
    }),
    outputs: list(environment, {
      count: (out) => call.SessionGetOutputCount(session, out),
      name: (i, out) => call.SessionGetOutputName(session, i, allocator, out),
      type: (i, out) => call.SessionGetOutputTypeInfo(session, i, out),
    }),
  };
}

interface Getters {
  readonly count: (out: Out) => Deno.PointerValue;
  readonly name: (index: bigint, out: Out) => Deno.PointerValue;
  readonly type: (index: bigint, out: Out) => Deno.PointerValue;
}

function list({ api, hostAllocator }: Environment, get: Getters): Port[] {
  const count = new BigUint64Array(1);
  api.check(get.count(count));
  return Array.from({ length: Number(count[0]) }, (_, i) => {
    const text = api.handle((out) => get.name(BigInt(i), out));
    const name = Deno.UnsafePointerView.getCString(text);
    api.check(api.call.AllocatorFree(hostAllocator, text));
    const type = api.handle((out) => get.type(BigInt(i), out));
    try {
      return portOf(api, name, type);
    } finally {
      api.call.ReleaseTypeInfo(type);
    }
  });
}

function portOf(api: Api, name: string, type: Handle): Port {
  const out = new BigUint64Array(1);
  api.check(api.call.CastTypeInfoToTensorInfo(type, out));
  if (out[0] === 0n) throw new RavnError(`"${name}" is no tensor; ravn computes on tensors alone`);
  const info = pointerAt(out);
  const sizes = dimensionsOf(api, info);
  const names = symbolsOf(api, info, sizes.length);
  return {
    name,
    dtype: elementTypeOf(api, info),
    dims: sizes.map((size, i) => size < 0n ? names[i]! : Number(size)),
  };
}

function symbolsOf(api: Api, info: Handle, count: number): string[] {
  if (count === 0) return [];
  const names = new BigUint64Array(count);
  api.check(api.call.GetSymbolicDimensions(info, names, BigInt(count)));
  return Array.from(names, (address) => {
    const text = Deno.UnsafePointer.create(address);
    return text === null ? "" : Deno.UnsafePointerView.getCString(text);
  });
}
