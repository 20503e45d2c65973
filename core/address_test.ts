import assert from "node:assert/strict";
import {
  ADDRESS_FORM,
  dialHost,
  formatAddress,
  isLocal,
  parseAddress,
  readAddress,
  sameHost,
} from "./address.ts";
import { RavnError } from "./error.ts";

Deno.test("addresses are read and brought to one form", () => {
  const cases: [string, string, string, number][] = [
    ["0.0.0.0:8080", "0.0.0.0:8080", "0.0.0.0", 8080],
    ["GPU-1.Example.org:1", "gpu-1.example.org:1", "gpu-1.example.org", 1],
    ["[::1]:65535", "[::1]:65535", "::1", 65535],
    ["[2001:0DB8:0:0:0:0:0:1]:80", "[2001:db8::1]:80", "2001:db8::1", 80],
    ["node_2:8081", "node_2:8081", "node_2", 8081],
  ];
  for (const [text, canonical, host, port] of cases) {
    assert.deepEqual(parseAddress(text), { host, port, text: canonical });
    assert.deepEqual(readAddress(canonical), parseAddress(text));
    assert.equal(formatAddress({ host, port }), canonical);
  }
});

Deno.test("what is not an address is not read", () => {
  const texts = [
    "",
    "localhost",
    ":8080",
    "host:",
    "host:0",
    "host:65536",
    "host:080",
    "::1:8080",
    "[::1]",
    "[::g]:80",
    "[]:80",
    "[host]:80",
    "256.0.0.1:80",
    "1.2.3:80",
    "a b:80",
    "-a:80",
    "http://host:80",
    "../x:80",
  ];
  for (const text of texts) {
    assert.equal(parseAddress(text), undefined, text);
    const message = `"${text}" is not an address; expected ${ADDRESS_FORM}`;
    assert.throws(() => readAddress(text), new RavnError(message));
  }
});

Deno.test("one machine is known by its host or by local addresses", () => {
  const same = (a: string, b: string) => sameHost(parseAddress(a)!, parseAddress(b)!);
  assert.ok(same("a:1", "A:2"));
  assert.ok(same("0.0.0.0:1", "localhost:2"));
  assert.ok(same("127.0.0.1:1", "[::1]:2"));
  assert.ok(!same("a:1", "b:1"));
  assert.ok(!same("localhost:1", "10.0.0.1:1"));
});

Deno.test("every interface means this machine", () => {
  assert.equal(dialHost("0.0.0.0"), "127.0.0.1");
  assert.equal(dialHost("::"), "127.0.0.1");
  assert.equal(dialHost("10.1.2.3"), "10.1.2.3");
  for (const host of ["0.0.0.0", "::", "localhost", "127.0.0.1", "127.1.2.3", "::1", "10.1.2.3"]) {
    assert.ok(isLocal(host, ["10.1.2.3"]), host);
  }
  for (const host of ["10.1.2.4", "127.example.org"]) assert.ok(!isLocal(host, ["10.1.2.3"]), host);
});
