import assert from "node:assert/strict";
import { numbers, tensor } from "../onnx/mod.ts";
import { alignedBytes, Runtime } from "../runtime/mod.ts";
import { CopyGraph } from "./copy_graph.ts";
import { DeviceBuffers } from "./device_buffers.ts";
import type { Port } from "./manifest.ts";
import { PortBuffers } from "./port_buffers.ts";

const runtime = Runtime.open();
const PORTS: readonly Port[] = [
  { value: "x", dtype: "float32", dims: [{ perSample: 1 }, 2] },
  { value: "index", dtype: "int64", dims: [{ perSample: 3 }] },
];
const BATCH = 4;

Deno.test("a smaller batch is the beginning of its memory; copies are apart", async () => {
  using memory = await runtime.deviceMemory();
  using buffers = new DeviceBuffers(memory, PORTS, { copies: 2, batch: BATCH });
  assert.ok(buffers.has("x") && !buffers.has("y"));
  for (const m of [0, 1]) {
    const values = Array.from({ length: 8 }, (_, i) => 10 * m + i);
    await memory.upload(buffers.tensor(m, "x", BATCH), tensor("float32", [BATCH, 2], values));
  }
  const part = await memory.download(buffers.tensor(1, "x", 3));
  assert.deepEqual(part.dims, [3, 2]);
  assert.deepEqual([...numbers(part)], [10, 11, 12, 13, 14, 15]);
  assert.equal(buffers.tensor(1, "x", 3), buffers.tensor(1, "x", 3));
  assert.equal(buffers.tensor(3, "x", 3), buffers.tensor(1, "x", 3));
  assert.throws(() => buffers.tensor(0, "y", BATCH), /no device buffer for "y"/);
});

Deno.test("a copy graph takes all values over and back, of every batch size", async () => {
  using memory = await runtime.deviceMemory();
  using device = new DeviceBuffers(memory, PORTS, { copies: 1, batch: BATCH });
  const make = () =>
    new PortBuffers(runtime, PORTS, { copies: 1, batch: BATCH, allocate: alignedBytes });
  using from = make();
  using to = make();
  using copy = await CopyGraph.open(runtime, PORTS);
  for (const samples of [BATCH, 1, 3, 1]) {
    for (const { value } of PORTS) {
      from.bytes(0, value, samples).forEach((_, i, bytes) => bytes[i] = i + samples);
    }
    const there = (value: string) => device.tensor(0, value, samples);
    await copy.run(2 * samples, (value) => from.tensor(0, value, samples), there);
    await copy.run(2 * samples + 1, there, (value) => to.tensor(0, value, samples));
    for (const { value } of PORTS) {
      assert.deepEqual(to.bytes(0, value, samples), from.bytes(0, value, samples));
    }
  }
});

Deno.test("a copy graph of nothing does nothing", async () => {
  using copy = await CopyGraph.open(runtime, []);
  await copy.run(0, () => assert.fail("nothing is read"), () => assert.fail("nothing is written"));
});
