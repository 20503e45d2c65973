import assert from "node:assert/strict";
import { findLibrary, type Host, libraryName, libraryPlaces, thisHost } from "./library.ts";

const NPM = "/clone/node_modules/onnxruntime-node/bin/napi-v6/linux/x64/libonnxruntime.so.1";

function host(o: Partial<Host> & { files?: string[] } = {}): Host {
  return {
    os: "linux",
    arch: "x86_64",
    variable: () => undefined,
    programFolders: () => ["/app", "/opt/bin"],
    packageFolders: () => ["/clone/node_modules/onnxruntime-node"],
    exists: (path) => (o.files ?? [NPM]).includes(path),
    ...o,
  };
}

Deno.test("the library of this machine is found", () => {
  assert.ok(thisHost.exists(findLibrary()));
});

Deno.test("the file beside the program wins over the npm package", () => {
  assert.equal(findLibrary(undefined, host()), NPM);
  const shipped = "/opt/bin/libonnxruntime.so.1";
  assert.equal(findLibrary(undefined, host({ files: [NPM, shipped] })), shipped);
});

Deno.test("RAVN_ORT_LIB wins over every place, and a path given over both", () => {
  const variable = (name: string) => name === "RAVN_ORT_LIB" ? "/mine.so" : undefined;
  const files = [NPM, "/mine.so", "/given.so"];
  assert.equal(findLibrary(undefined, host({ variable, files })), "/mine.so");
  assert.equal(findLibrary("/given.so", host({ variable, files })), "/given.so");
});

Deno.test("a library that is nowhere: every place that was looked at, and what to do", () => {
  assert.throws(() => findLibrary(undefined, host({ files: [] })), {
    name: "RavnError",
    message: "no ONNX Runtime for linux-x86_64: looked for /app/libonnxruntime.so.1, " +
      `/opt/bin/libonnxruntime.so.1, ${NPM}; run \`deno install\` to fetch the npm package ` +
      "onnxruntime-node, or set RAVN_ORT_LIB to the path of libonnxruntime.so.1",
  });
});

Deno.test("a named file that is missing is an error, not a reason to look elsewhere", () => {
  const variable = () => "/mine.so";
  assert.throws(() => findLibrary(undefined, host({ variable })), /RAVN_ORT_LIB names \/mine\.so/);
  assert.throws(() => findLibrary("/given.so", host()), /there is no file \/given\.so/);
});

Deno.test("each platform has its file name and folder", () => {
  const last = (os: Host["os"], arch: Host["arch"]) => libraryPlaces(host({ os, arch })).at(-1);
  assert.match(last("darwin", "aarch64")!, /darwin\/arm64\/libonnxruntime\.1\.dylib$/);
  assert.match(last("windows", "x86_64")!, /win32\/x64\/onnxruntime\.dll$/);
  assert.match(last("linux", "aarch64")!, /linux\/arm64\/libonnxruntime\.so\.1$/);
  assert.equal(libraryName("linux"), "libonnxruntime.so.1");
});
