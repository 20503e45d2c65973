import assert from "node:assert/strict";
import { RavnError } from "../core/error.ts";
import { dialHost, formatAddress, isLocal, parseAddress } from "./address.ts";

Deno.test("parseAddress takes names, IPv4, and IPv6 in brackets", () => {
  assert.deepEqual(parseAddress("node-3.lan:8080"), { host: "node-3.lan", port: 8080 });
  assert.deepEqual(parseAddress("0.0.0.0:0"), { host: "0.0.0.0", port: 0 });
  assert.deepEqual(parseAddress("[::1]:65535"), { host: "::1", port: 65535 });
  assert.deepEqual(parseAddress(" [fe80::1]:1 "), { host: "fe80::1", port: 1 });
});

Deno.test("parseAddress refuses everything else, and says what it wants", () => {
  for (
    const bad of ["", "host", ":80", "host:", "host:99999", "::1:80", "[::1]", "a b:1", "a:-1"]
  ) {
    assert.throws(() => parseAddress(bad), (error: RavnError) => {
      assert.equal(error.name, "RavnError");
      return error.message.startsWith(`"${bad}" is not an address; write host:port`);
    });
  }
});

Deno.test("formatAddress is the inverse of parseAddress", () => {
  for (const text of ["[::1]:80", "10.0.0.1:8080", "localhost:1"]) {
    assert.equal(formatAddress(parseAddress(text)), text);
  }
});

Deno.test("every interface means this machine", () => {
  assert.equal(dialHost("0.0.0.0"), "127.0.0.1");
  assert.equal(dialHost("::"), "127.0.0.1");
  assert.equal(dialHost("10.1.2.3"), "10.1.2.3");
  for (const host of ["0.0.0.0", "::", "localhost", "127.0.0.1", "127.1.2.3", "::1", "10.1.2.3"]) {
    assert.ok(isLocal(host, ["10.1.2.3"]), host);
  }
  assert.ok(!isLocal("10.1.2.4", ["10.1.2.3"]));
});
