import assert from "node:assert/strict";
import { tensor } from "../onnx/mod.ts";
import type { Tensor } from "../onnx/mod.ts";
import type { StageEngine, StageManifest, StageWeights } from "../training/mod.ts";
import { memoryLinks } from "../../transport/mod.ts";
import type { Link } from "../../transport/mod.ts";
import { Averaging, partnerNodes } from "./averaging.ts";
import type { AveragingOptions } from "./averaging.ts";
import { layAverages } from "./averaging_layout.ts";
import type { RunTerms } from "./run_terms.ts";

/** Sizes of the parameters and of a running statistic; none fits the kernels' alignment. */
const SIZES = new Map([["p0", 3], ["p1", 5], ["p2", 70_001], ["s", 2]]);
/** Share of each cluster in the mean. */
const WEIGHTS = [0.25, 0.75];

type Values = Map<string, Float32Array>;

/** A stage that holds some tensors, all of them made of one value. */
class FakeStage {
  readonly values: Values;
  readonly manifest: StageManifest;

  constructor(readonly names: readonly string[], value: number) {
    this.values = new Map(names.map((name) => [name, filled(name, value)]));
    this.manifest = {
      parameters: names.filter((name) => name !== "s")
        .map((name) => ({ name, dims: [SIZES.get(name)!], gradient: `d.${name}` })),
      statistics: names.filter((name) => name === "s").map((running) => ({
        ...{ running, batch: "b", kind: "mean" as const, momentum: 0.1, count: 1 },
        dims: [SIZES.get(running)!],
      })),
      ...{ format: 1, stage: 0, stages: 1, batch: 1, inputs: [], outputs: [], relays: [] },
      ...{ masks: [], stash: [], recompute: false },
    };
  }

  get weights(): Pick<StageWeights, "tensors" | "replace"> {
    return {
      tensors: () => this.#tensors((name) => name !== "s"),
      replace: (_buffer, values) => this.#replace(values, (name) => name !== "s"),
    };
  }

  get executor(): Pick<StageEngine, "statistics" | "replaceStatistics"> {
    return {
      statistics: () => this.#tensors((name) => name === "s"),
      replaceStatistics: (values) => this.#replace(values, (name) => name === "s"),
    };
  }

  #tensors(holds: (name: string) => boolean): Map<string, Tensor> {
    const own = [...this.values].filter(([name]) => holds(name));
    return new Map(own.map(([name, value]) => [name, tensor("float32", [value.length], value)]));
  }

  #replace(values: ReadonlyMap<string, Float32Array>, holds: (name: string) => boolean): void {
    for (const name of this.names.filter(holds)) this.values.set(name, values.get(name)!.slice());
  }
}

function filled(name: string, value: number): Float32Array {
  return new Float32Array(SIZES.get(name)!).fill(value);
}

interface Node {
  readonly stage: FakeStage;
  readonly averaging: Averaging;
  readonly changed: () => Promise<void>;
}

/** Cluster 0 in two stages, of value 1, and cluster 1 in one, of value 5. */
function linked(): Node[] {
  const stages = [
    { name: "a", stage: new FakeStage(["p0", "p1"], 1) },
    { name: "b", stage: new FakeStage(["p2", "s"], 1) },
    { name: "c", stage: new FakeStage(["p0", "p1", "p2", "s"], 5) },
  ];
  const members = stages.map(({ name, stage: { manifest } }) => ({
    name,
    address: name,
    manifest,
  }));
  const layouts = layAverages([members.slice(0, 2), members.slice(2)]).flat();
  const links = new Map(stages.map(({ name }) => [name, new Map<string, Link>()]));
  for (const { name } of partnerNodes(layouts[2]!, "c")) {
    const identity = (nodeId: string) => ({ nodeId, address: nodeId });
    const [here, there] = memoryLinks(identity("c"), identity(name));
    links.get("c")!.set(name, here);
    links.get(name)!.set("c", there);
  }
  return stages.map(({ name, stage }, i) => {
    let wake = () => {};
    const handlers: AveragingOptions["handlers"] = {
      changed: () => wake(),
      closed: () => {},
      failed: (error) => assert.fail(error),
    };
    const averaging = new Averaging({
      ...{ node: name, layout: layouts[i]!, manifest: stage.manifest, links: links.get(name)! },
      weights: stage.weights,
      executor: stage.executor,
      handlers,
    });
    return { stage, averaging, changed: () => new Promise((resolve) => wake = resolve) };
  });
}

function termsOf(cluster: number, reduce_delay: number): RunTerms {
  const shape = { samples: cluster, reduce_every: 1, reduce_delay };
  const averaging = { samples: 8, shard: "disjoint", weight: WEIGHTS[cluster] };
  return JSON.parse(JSON.stringify({ run_id: String(cluster), settings: {}, shape, averaging }));
}

async function round(nodes: readonly Node[], meanwhile: () => void): Promise<void> {
  for (const { averaging } of nodes) await averaging.contribute(0);
  for (const { averaging, changed } of nodes) while (!averaging.ready) await changed();
  meanwhile();
}

Deno.test("stages that are cut differently get the weighted mean, statistics too", async () => {
  const nodes = linked();
  for (const { averaging } of nodes) averaging.open();
  nodes.forEach(({ averaging }, i) => averaging.begin(termsOf(i < 2 ? 0 : 1, 0)));
  for (const mean of [0.25 * 1 + 0.75 * 5, 4]) {
    await round(nodes, () => {});
    for (const { stage, averaging } of nodes) {
      await averaging.adopt(0);
      for (const [name, value] of stage.values) assert.deepEqual(value, filled(name, mean));
    }
  }
  await Promise.all(nodes.map(({ averaging }) => averaging.close()));
});

Deno.test("weights that have moved on are corrected by what the mean differs", async () => {
  const nodes = linked();
  for (const { averaging } of nodes) averaging.open();
  nodes.forEach(({ averaging }, i) => averaging.begin(termsOf(i < 2 ? 0 : 1, 2)));
  await round(nodes, () => {
    nodes.forEach(({ stage }, i) => {
      for (const name of stage.names) stage.values.set(name, filled(name, i < 2 ? 1.5 : 7));
    });
  });
  for (const [i, { stage, averaging }] of nodes.entries()) {
    await averaging.correct(0);
    const moved = i < 2 ? 1.5 + (4 - 1) : 7 + (4 - 5);
    for (const [name, value] of stage.values) assert.deepEqual(value, filled(name, moved));
  }
  await Promise.all(nodes.map(({ averaging }) => averaging.close()));
});

Deno.test("a cluster that trains by other terms is named, with what differs", async () => {
  const nodes = linked();
  const failed: string[] = [];
  for (const { averaging } of nodes) averaging.open();
  try {
    nodes[2]!.averaging.begin(termsOf(1, 0));
    await new Promise((resolve) => setTimeout(resolve, 20));
    nodes[0]!.averaging.begin(termsOf(0, 3));
  } catch (thrown) {
    failed.push(String(thrown));
  }
  assert.match(failed.join(), /c at c trains with reduce_delay 0, a with 3; use one ravn\.yaml/);
  await Promise.all(nodes.map(({ averaging }) => averaging.fail("over")));
});
