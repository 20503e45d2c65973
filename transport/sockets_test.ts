import assert from "node:assert/strict";
import { RavnError } from "../core/error.ts";
import { dial } from "./dial.ts";
import { hasUnix, House, session } from "./house.ts";
import { listen } from "./listen.ts";
import type { Link } from "./link.ts";
import { headFor, pattern, Recorder } from "./recorder.ts";

for (const sockets of hasUnix ? ["tcp", "unix"] as const : ["tcp"] as const) {
  Deno.test(`tensors cross ${sockets} sockets in both directions`, async () => {
    const house = await House.open();
    const here = await house.dial({ sockets });
    await house.until(() => house.links.length === 1);
    const there = house.links[0]!;
    assert.deepEqual([here.via, there.via], [sockets, sockets]);
    assert.deepEqual(here.peer, { nodeId: "node_1", address: house.listener.address });
    assert.equal(there.peer.nodeId, "node_0");
    const [atHere, atThere] = [new Recorder(), new Recorder()];
    here.start(atHere);
    there.start(atThere);
    const infos = [10, 33_333, 1_000_001].map((length) => (
      { name: `t${length}`, dtype: "uint8", dims: [length] } as const
    ));
    const data = infos.map(({ dims }, i) => pattern(dims[0], i + 1));
    for (let i = 0; i < 20; i++) {
      await Promise.all([
        here.send(headFor(infos, { microBatch: i }), data),
        there.send(headFor([infos[i % 3]!], { microBatch: i }), [data[i % 3]!]),
      ]);
    }
    await Promise.all([atHere.until(20), atThere.until(20)]);
    assert.deepEqual(atThere.events[19], { head: headFor(infos, { microBatch: 19 }), data });
    assert.deepEqual(atHere.events[18], {
      head: headFor([infos[0]!], { microBatch: 18 }),
      data: [data[0]],
    });
    await here.close();
    assert.equal((await there.closed).kind, "bye");
    await house.listener.close();
  });
}

Deno.test("a peer of this host is reached over its Unix socket, which goes with it", async () => {
  if (!hasUnix) return;
  const house = await House.open();
  const { path } = house.listener;
  assert.ok(path !== undefined && Deno.lstatSync(path).isSocket);
  assert.equal(Deno.lstatSync(path.slice(0, path.lastIndexOf("/"))).mode! & 0o777, 0o700);
  const link = await house.dial();
  assert.equal(link.via, "unix");
  await house.until(() => house.links.length === 1);
  await house.listener.close();
  assert.throws(() => Deno.lstatSync(path), Deno.errors.NotFound);
  await Promise.all([link.close(), house.links[0]!.closed]);
});

Deno.test("a socket file that a dead process left is no obstacle", async () => {
  if (!hasUnix) return;
  const probe = await House.open();
  const { port, path } = probe.listener;
  await probe.listener.close();
  assert.ok(path !== undefined);
  // A socket that nobody listens on any more.
  const other = Deno.listen({ transport: "unix", path: `${path}.old` });
  Deno.renameSync(`${path}.old`, path);
  other.close();
  assert.ok(Deno.lstatSync(path).isSocket);
  const without = await House.open({ port, sockets: "tcp" });
  const overTcp = await without.dial();
  assert.equal(overTcp.via, "tcp");
  await without.until(() => without.links.length === 1);
  await Promise.all([overTcp.close(), without.links[0]!.closed]);
  await without.listener.close();
  const house = await House.open({ port });
  assert.equal(house.listener.path, path);
  const link = await house.dial();
  assert.equal(link.via, "unix");
  await house.until(() => house.links.length === 1);
  await Promise.all([link.close(), house.links[0]!.closed]);
  await house.listener.close();
});

Deno.test("the dialer may be first, and tells whom it waits for", async () => {
  const probe = await House.open({ sockets: "tcp" });
  const { port } = probe.listener;
  await probe.listener.close();
  const reasons: string[] = [];
  const waiting = Promise.withResolvers<void>();
  const dialing = probe.dial({
    onWaiting: (attempt, reason) => {
      reasons.push(`${attempt}: ${reason}`);
      if (attempt === 2) waiting.resolve();
    },
  });
  await waiting.promise;
  const house = await House.open({ port });
  const link = await dialing;
  assert.match(reasons[0]!, /^1: .*refused/i);
  await house.until(() => house.links.length === 1);
  await Promise.all([link.close(), house.links[0]!.closed]);
  await house.listener.close();
});

Deno.test("a peer that never comes is named at the deadline", async () => {
  const probe = await House.open({ sockets: "tcp" });
  await probe.listener.close();
  await assert.rejects(probe.dial({ deadline_ms: 200 }), (error: RavnError) => {
    assert.ok(error instanceof RavnError);
    assert.match(
      error.message,
      /^node_0 waited 0.2 s for node_1 at 127.0.0.1:\d+, which should listen there: .*refused/i,
    );
    return /start it with "ravn provide --name node_1" or check IP/.test(error.message);
  });
});

Deno.test("waiting can be aborted", async () => {
  const probe = await House.open({ sockets: "tcp" });
  await probe.listener.close();
  const controller = new AbortController();
  const reason = new RavnError("stopped by Ctrl-C", { exitCode: 130 });
  const dialing = probe.dial({
    signal: controller.signal,
    deadline_ms: 60_000,
    onWaiting: () => controller.abort(reason),
  });
  await assert.rejects(dialing, (error: unknown) => error === reason);
});

for (const sockets of hasUnix ? ["tcp", "auto"] as const : ["tcp"] as const) {
  Deno.test(`another token is refused at once over ${sockets}`, async () => {
    const house = await House.open();
    const start = performance.now();
    await assert.rejects(
      house.dial({
        session: session("node_0", 0, { token: "guess" }),
        sockets,
        deadline_ms: 60_000,
      }),
      /node_1 at 127.0.0.1:\d+ refused the run token/,
    );
    assert.ok(performance.now() - start < 2000);
    await house.until(() => house.refused.length === 1);
    assert.match(house.refused[0]!.message, /node_1 did not let in node_0 .* tokens .* differ/);
    await house.listener.close();
  });
}

Deno.test("a port in use is named", async () => {
  const house = await House.open();
  const { port } = house.listener;
  await assert.rejects(House.open({ port }), (error: RavnError) => {
    assert.ok(error instanceof RavnError);
    assert.match(
      error.message,
      /^node_1: port \d+ on 127.0.0.1 is in use \(Address.*\); free it or change IP in node_data\//,
    );
    return true;
  });
  await house.listener.close();
  await assert.rejects(
    listen({ session: session("node_1"), host: "203.0.113.7", port: 0, onLink: () => {} }),
    /node_1: cannot listen on 203.0.113.7:0 .* must be an address of this machine/,
  );
});

Deno.test("guests that say nothing are shown the door, and are few", async () => {
  const limits = { handshake_ms: 80, unauthenticated: 2 };
  const house = await House.open({ limits, sockets: "tcp" });
  const { port } = house.listener;
  const connect = () => Deno.connect({ hostname: "127.0.0.1", port });
  const guests = [await connect(), await connect(), await connect()];
  const ends = await Promise.all(
    guests.map((guest) => guest.read(new Uint8Array(1)).catch(() => null)),
  );
  assert.deepEqual(ends, [null, null, null]);
  await house.until(() => house.refused.length === 2);
  assert.match(house.refused[0]!.message, /a guest from 127.0.0.1: the handshake took longer/);
  for (const guest of guests) guest.close();
  const link = await house.dial();
  await house.until(() => house.links.length === 1);
  await Promise.all([link.close(), house.links[0]!.closed]);
  await house.listener.close();
});

Deno.test("a process that dies is named at once, one that hangs within the deadline", async () => {
  const limits = { ping_ms: 25, silence_ms: 200 };
  const house = await House.open({ limits, sockets: "tcp" });
  const script = `
    import { dial } from ${JSON.stringify(new URL("./dial.ts", import.meta.url).href)};
    const link = await dial({
      session: ${JSON.stringify(session("node_0"))},
      peer: { nodeId: "node_1", address: ${JSON.stringify(house.listener.address)} },
      deadline_ms: 5000,
      limits: { ping_ms: 25 },
    });
    await link.closed;
  `;
  const spawn = () =>
    new Deno.Command(Deno.execPath(), { args: ["eval", "--no-check", script], stdout: "null" })
      .spawn();
  for (const signal of ["SIGKILL", "SIGSTOP"] as const) {
    const before = house.links.length;
    const child = spawn();
    await house.until(() => house.links.length > before);
    const start = performance.now();
    child.kill(signal);
    const closed = await house.links.at(-1)!.closed;
    const after_ms = performance.now() - start;
    if (signal === "SIGSTOP") child.kill("SIGKILL");
    await child.status;
    assert.ok(closed.kind === "lost");
    assert.match(closed.error.message, /^node_1 lost node_0 at 127.0.0.1:0: /);
    assert.ok(after_ms < 2000, `${signal}: ${after_ms} ms`);
  }
  await house.listener.close();
});

Deno.test("a peer that is busy for most of the deadline is not dropped", async () => {
  const house = await House.open({ limits: { ping_ms: 100, silence_ms: 800 }, sockets: "tcp" });
  const script = `
    import { dial } from ${JSON.stringify(new URL("./dial.ts", import.meta.url).href)};
    const link = await dial({
      session: ${JSON.stringify(session("node_0"))},
      peer: { nodeId: "node_1", address: ${JSON.stringify(house.listener.address)} },
      deadline_ms: 5000,
      limits: { ping_ms: 100, silence_ms: 800 },
    });
    for (let i = 0; i < 3; i++) {
      for (const end = performance.now() + 500; performance.now() < end;);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await link.close({ reason: "no longer busy" });
  `;
  const child = new Deno.Command(Deno.execPath(), { args: ["eval", "--no-check", script] }).spawn();
  await house.until(() => house.links.length === 1);
  assert.deepEqual(await house.links[0]!.closed, { kind: "bye", reason: "no longer busy" });
  assert.ok((await child.status).success);
  await house.listener.close();
});

Deno.test("tensors may lie in shared memory on both sides", async () => {
  const house = await House.open();
  const here = await house.dial();
  await house.until(() => house.links.length === 1);
  const memory = () => new WebAssembly.Memory({ initial: 4, maximum: 4, shared: true }).buffer;
  const [source, target] = [new Uint8Array(memory()), new Uint8Array(memory())];
  source.set(pattern(source.length));
  const lengths = [100, 200_001];
  const view = (bytes: Uint8Array) => [bytes.subarray(64, 164), bytes.subarray(192, 200_193)];
  const arrived = Promise.withResolvers<void>();
  house.links[0]!.start({
    place: () => view(target),
    arrived: () => arrived.resolve(),
    control: () => {},
  });
  const infos = lengths.map((length, i) => (
    { name: `t${i}`, dtype: "uint8", dims: [length] } as const
  ));
  await here.send(headFor(infos), view(source));
  await arrived.promise;
  assert.deepEqual(view(target).map((bytes) => bytes.slice()), view(source).map((b) => b.slice()));
  assert.equal(target[63], 0);
  assert.equal(target[200_193], 0);
  await Promise.all([here.close(), house.links[0]!.closed]);
  await house.listener.close();
});

const hasIpv6 = Deno.networkInterfaces().some(({ address }) => address === "::1");

Deno.test({
  name: "IPv6 addresses work (needs ::1)",
  ignore: !hasIpv6,
  fn: async () => {
    const links: Link[] = [];
    const listener = await listen({
      session: session("node_1"),
      host: "::1",
      port: 0,
      sockets: "tcp",
      onLink: (link) => links.push(link),
    });
    assert.equal(listener.address, `[::1]:${listener.port}`);
    const peer = { nodeId: "node_1", address: listener.address };
    const link = await dial({ session: session("node_0"), peer, deadline_ms: 2000 });
    await link.close();
    await Promise.all(links.map(({ closed }) => closed));
    await listener.close();
  },
});
