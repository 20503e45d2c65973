import assert from "node:assert/strict";
import { numbers, tensor } from "../onnx/mod.ts";
import { floatsOf, Runtime } from "../runtime/mod.ts";
import { DeviceStatistics } from "./device_statistics.ts";
import type { RunningStatistic } from "./manifest.ts";
import { RunningStatistics } from "./running_statistics.ts";

const runtime = Runtime.open();
const CHANNELS = 5;

const STATISTICS: readonly RunningStatistic[] = [
  { running: "mean", batch: "m", kind: "mean", momentum: 0.1, count: { perSample: 4 } },
  { running: "variance", batch: "v", kind: "variance", momentum: 0.1, count: { perSample: 4 } },
  { running: "single", batch: "s", kind: "variance", momentum: 0.5, count: { perSample: 1 } },
].map((statistic) => ({ ...statistic, dims: [CHANNELS] }) as RunningStatistic);

const values = (seed: number) =>
  tensor("float32", [CHANNELS], Array.from({ length: CHANNELS }, (_, i) => 1 + Math.sin(i + seed)));
const initial = new Map(STATISTICS.map(({ running }, i) => [running, values(i)]));

Deno.test("statistics on a device are those on the host, for every batch size", async () => {
  using memory = await runtime.deviceMemory();
  using device = await DeviceStatistics.open({ runtime, memory, statistics: STATISTICS, initial });
  const host = new RunningStatistics(runtime, STATISTICS, initial);
  using owned = new DisposableStack();
  for (const [step, samples] of [8, 3, 1, 8].entries()) {
    const ofBatch = new Map(STATISTICS.map(({ batch }, i) => [batch, values(9 * step + i)]));
    const onDevice = new Map(
      STATISTICS.map(({ batch }) => [batch, owned.use(memory.allocate("float32", [CHANNELS]))]),
    );
    for (const [name, target] of onDevice) await memory.upload(target, ofBatch.get(name)!);
    host.update((name) => numbers(ofBatch.get(name)!) as Float32Array, samples);
    await device.update(step, (name) => onDevice.get(name)!, samples);
    if (step !== 1) continue;
    host.snapshot();
    await device.snapshot();
  }
  const newest = await device.tensors();
  for (const [name, expected] of host.tensors()) {
    assertClose(numbers(newest.get(name)!), numbers(expected));
    const kept = await memory.download(device.tensor(name)!);
    assertClose(numbers(kept), floatsOf(host.tensor(name)!.bytes));
    assert.notDeepEqual(kept, newest.get(name));
  }
  assert.equal(device.tensor("m"), undefined);
  const others = new Map([["variance", new Float32Array(CHANNELS).fill(7)]]);
  host.replace(others);
  await device.replace(others);
  for (const replaced of [host.tensors(), await device.tensors()]) {
    assert.deepEqual(numbers(replaced.get("variance")!), others.get("variance"));
    assertClose(numbers(replaced.get("mean")!), numbers(newest.get("mean")!));
  }
});

Deno.test("a stage without normalization has no statistics", async () => {
  using memory = await runtime.deviceMemory();
  using none = await DeviceStatistics.open({ runtime, memory, statistics: [], initial });
  await none.update(0, () => assert.fail("nothing is read"), 8);
  await none.snapshot();
  assert.equal((await none.tensors()).size, 0);
});

function assertClose(given: ArrayLike<number>, expected: ArrayLike<number>): void {
  Array.from(expected, (value, i) => {
    const off = Math.abs(value - given[i]!);
    assert.ok(off <= 1e-6 * Math.abs(value), `element ${i} is off by ${off}`);
  });
}
