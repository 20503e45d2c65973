import { encodeCString } from "./api.ts";

/** Memory that processes of one host share, for as long as one of them maps it. */
export interface SharedBlock extends Disposable {
  /** By which another process of the same user opens it, while this one lives. */
  readonly name: string;
  /** Must not be touched after disposal: the process would end. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

const SYMBOLS = {
  memfd_create: { parameters: ["buffer", "u32"], result: "i32" },
  open: { parameters: ["buffer", "i32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  ftruncate: { parameters: ["i32", "i64"], result: "i32" },
  lseek: { parameters: ["i32", "i64", "i32"], result: "i64" },
  fcntl: { parameters: ["i32", "i32", "i32"], result: "i32" },
  mmap: { parameters: ["pointer", "usize", "i32", "i32", "i32", "i64"], result: "pointer" },
  munmap: { parameters: ["pointer", "usize"], result: "i32" },
} as const;

// Linux's values on x86-64 and arm64.
const O_RDWR_CLOEXEC = 0o2000002;
const MFD_CLOEXEC_ALLOW_SEALING = 3;
const F_ADD_SEALS = 1033;
const F_GET_SEALS = 1034;
const F_SEAL_SHRINK = 2;
const SEEK_END = 2;
const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
const MAP_FAILED = 2n ** 64n - 1n;

const OPENED = /^\/proc\/\d{1,10}\/fd\/\d{1,10}$/;

type Libc = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];
let loaded: Libc | null | undefined;

/** The C library; null where shared memory is not to be had in this way. */
function libc(): Libc | null {
  if (loaded !== undefined) return loaded;
  try {
    loaded = Deno.build.os === "linux" ? Deno.dlopen("libc.so.6", SYMBOLS).symbols : null;
  } catch {
    loaded = null;
  }
  return loaded;
}

/**
 * Makes `byteLength` zeroed bytes that another process can open by their name. No file is left when
 * all are gone, however they end. Undefined where the system has no such memory.
 */
export function createShared(byteLength: number): SharedBlock | undefined {
  const c = libc();
  if (c === null) return undefined;
  const fd = c.memfd_create(encodeCString("ravn"), MFD_CLOEXEC_ALLOW_SEALING);
  if (fd < 0) return undefined;
  // Sealed, it cannot shrink under somebody who has it mapped.
  const isMade = c.ftruncate(fd, BigInt(byteLength)) === 0 &&
    c.fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) === 0;
  const bytes = isMade ? map(c, fd, byteLength) : undefined;
  if (bytes === undefined) {
    c.close(fd);
    return undefined;
  }
  const name = `/proc/${Deno.pid}/fd/${fd}`;
  return block(c, name, bytes, () => c.close(fd));
}

/**
 * Maps the memory that another process of this host made. Undefined where there is none of that
 * name, or where it is smaller or may become so.
 */
export function openShared(name: string, byteLength: number): SharedBlock | undefined {
  const c = libc();
  if (c === null || !OPENED.test(name)) return undefined;
  const fd = c.open(encodeCString(name), O_RDWR_CLOEXEC);
  if (fd < 0) return undefined;
  const seals = c.fcntl(fd, F_GET_SEALS, 0);
  const isFit = seals >= 0 && (seals & F_SEAL_SHRINK) !== 0 &&
    c.lseek(fd, 0n, SEEK_END) >= BigInt(byteLength);
  const bytes = isFit ? map(c, fd, byteLength) : undefined;
  c.close(fd);
  return bytes === undefined ? undefined : block(c, name, bytes, () => {});
}

function map(c: Libc, fd: number, byteLength: number): Uint8Array<ArrayBuffer> | undefined {
  const at = c.mmap(null, BigInt(byteLength), PROT_READ_WRITE, MAP_SHARED, fd, 0n);
  if (at === null || Deno.UnsafePointer.value(at) === MAP_FAILED) return undefined;
  return new Uint8Array(Deno.UnsafePointerView.getArrayBuffer(at, byteLength));
}

function block(
  c: Libc,
  name: string,
  bytes: Uint8Array<ArrayBuffer>,
  release: () => void,
): SharedBlock {
  let isMapped = true;
  return {
    name,
    bytes,
    [Symbol.dispose]: () => {
      if (!isMapped) return;
      isMapped = false;
      c.munmap(Deno.UnsafePointer.of(bytes), BigInt(bytes.byteLength));
      release();
    },
  };
}
