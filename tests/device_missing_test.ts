/**
 * A device that is not there: said in one line before anything is trained, with what is missing.
 */
import assert from "node:assert/strict";
import { readModel } from "../core/onnx/mod.ts";
import { Runtime } from "../core/runtime/mod.ts";
import { assertRefused } from "./command_line.ts";
import { Project } from "./project.ts";
import type { Configuration } from "./project.ts";

const CONFIGURATION: Configuration = { threads: 1, device: "cuda" };
const REFUSED = /--device cuda cannot be used: .*(libonnxruntime_providers|LD_LIBRARY|nvidia-smi)/;

async function hasCuda(): Promise<boolean> {
  try {
    using _memory = await Runtime.open({ threads: 1 }).deviceMemory("cuda");
    return true;
  } catch {
    return false;
  }
}

const ignore = await hasCuda();

Deno.test({ name: "training the whole model without the device's library", ignore }, async () => {
  await using project = await Project.make({ configuration: { threads: 1 } });
  await assertRefused(project, ["train", "--single", "--device", "cuda"], REFUSED);
  await project.configure(CONFIGURATION);
  await assertRefused(project, ["train", "--single"], REFUSED);
});

Deno.test({ name: "a plan for a device is made without it, and not run", ignore }, async () => {
  await using project = await Project.make({ configuration: CONFIGURATION });
  await project.succeed("clusterize", "--split", "ravnest");
  const files = (await project.files("node_data")).filter((file) => file.endsWith(".onnx"));
  const graphs = await Promise.all(
    files.map(async (file) => readModel(await Deno.readFile(project.path(file)), { file })),
  );
  const inputs = new Set(graphs.flatMap((graph) => graph.inputs.map(({ name }) => name)));
  assert.ok(inputs.has("ravn.seed") && inputs.has("ravn.step"), "masks are made in the graphs");
  for (const node of [0, 2]) {
    await assertRefused(project, ["provide", "--name", `node_${node}`], REFUSED);
  }
});
