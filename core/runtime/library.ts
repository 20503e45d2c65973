import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { RavnError } from "../error.ts";

/** Names a shared library by hand; it wins over every other place. */
export const LIBRARY_VARIABLE = "RAVN_ORT_LIB";

const PACKAGE = "onnxruntime-node";

/** What the search for the library asks of the machine; tests bring their own. */
export interface Host {
  readonly os: typeof Deno.build.os;
  readonly arch: typeof Deno.build.arch;
  readonly variable: (name: string) => string | undefined;
  /** Folders in which a shipped library may lie beside the program. */
  readonly programFolders: () => readonly string[];
  /** Folders in which the npm package may lie. */
  readonly packageFolders: () => readonly string[];
  readonly exists: (path: string) => boolean;
}

/** This process. */
export const thisHost: Host = {
  os: Deno.build.os,
  arch: Deno.build.arch,
  variable: (name) => Deno.env.get(name),
  programFolders: () => {
    const folders = [dirname(Deno.execPath())];
    if (Deno.mainModule.startsWith("file:")) {
      folders.unshift(dirname(fileURLToPath(Deno.mainModule)));
    }
    return folders;
  },
  packageFolders,
  exists: (path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  },
};

/** File name of the library on an operating system. */
export function libraryName(os: Host["os"]): string {
  if (os === "windows") return "onnxruntime.dll";
  return os === "darwin" ? "libonnxruntime.1.dylib" : "libonnxruntime.so.1";
}

/**
 * Path of ONNX Runtime's shared library: the file that `given` or `RAVN_ORT_LIB` names, else the
 * one beside the program, else the one that the npm package `onnxruntime-node` carries. The
 * package's install script is not needed for it.
 *
 * @throws {RavnError} when there is none; the message lists where it was looked for.
 */
export function findLibrary(given?: string, host: Host = thisHost): string {
  const named = given ?? host.variable(LIBRARY_VARIABLE);
  if (named !== undefined && named !== "") {
    if (host.exists(named)) return named;
    const by = given === undefined ? `${LIBRARY_VARIABLE} names` : "there is no file";
    throw new RavnError(
      `no ONNX Runtime: ${by} ${named}${given === undefined ? ", which is no file" : ""}; ` +
        `expected the path of ${libraryName(host.os)}`,
    );
  }
  const places = libraryPlaces(host);
  const found = places.find(host.exists);
  if (found !== undefined) return found;
  throw new RavnError(
    `no ONNX Runtime for ${host.os}-${host.arch}: looked for ${places.join(", ")}; ` +
      `run \`deno install\` to fetch the npm package ${PACKAGE}, ` +
      `or set ${LIBRARY_VARIABLE} to the path of ${libraryName(host.os)}`,
  );
}

/** Where the library may lie, best first. */
export function libraryPlaces(host: Host): string[] {
  const name = libraryName(host.os);
  const os = host.os === "windows" ? "win32" : host.os;
  const arch = host.arch === "aarch64" ? "arm64" : "x64";
  return [
    ...host.programFolders().map((folder) => join(folder, name)),
    ...host.packageFolders().map((folder) => join(folder, "bin", "napi-v6", os, arch, name)),
  ];
}

/** The npm package in `node_modules`, or in Deno's cache where there is no such folder. */
function packageFolders(): string[] {
  const folders: string[] = [];
  try {
    const manifest = createRequire(import.meta.url).resolve(`${PACKAGE}/package.json`);
    folders.push(dirname(manifest));
  } catch {
    // Not in a node_modules folder: Deno's cache is next.
  }
  const cache = denoCache();
  const version = cachedVersion();
  if (cache !== undefined && version !== undefined) {
    folders.push(join(cache, "npm", "registry.npmjs.org", PACKAGE, version));
  }
  return folders;
}

/** The version that the import map pins, as in `npm:onnxruntime-node@1.30.0`. */
function cachedVersion(): string | undefined {
  try {
    return import.meta.resolve(PACKAGE).match(/^npm:\/?onnxruntime-node@([0-9][^/]*)/)?.[1];
  } catch {
    return undefined;
  }
}

function denoCache(): string | undefined {
  const named = Deno.env.get("DENO_DIR");
  if (named !== undefined && named !== "") return named;
  if (Deno.build.os === "windows") return under("LOCALAPPDATA", "deno");
  if (Deno.build.os === "darwin") return under("HOME", "Library", "Caches", "deno");
  return under("XDG_CACHE_HOME", "deno") ?? under("HOME", ".cache", "deno");
}

function under(variable: string, ...path: string[]): string | undefined {
  const folder = Deno.env.get(variable);
  return folder === undefined || folder === "" ? undefined : join(folder, ...path);
}
