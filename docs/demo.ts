/**
 * The main job from beginning to end, for a newcomer: makes a folder with the digits CNN and its
 * data, plans it for three nodes on this machine, trains it with three processes of which none
 * holds the whole network, joins their parts into one file, and measures that file.
 *
 * `deno task demo [folder]`
 */
import { join } from "node:path";
import { ravn, say, scoreOf, speedOf, takeFreePorts } from "../examples/project.ts";

const DIGITS = new URL("../fixtures/digits/", import.meta.url);
const DATA = ["x_train.npy", "y_train.npy", "x_val.npy", "y_val.npy"];

async function main(): Promise<void> {
  const start_ms = performance.now();
  const folder = Deno.args[0] ?? await Deno.makeTempDir({ prefix: "ravn-demo-" });
  say(`demo: three processes train the digits CNN in ${folder}`);
  await ravn(folder, "init", ".", "--model", "digits_cnn");
  for (const file of DATA) await Deno.copyFile(new URL(file, DIGITS), join(folder, file));
  await takeFreePorts(folder);
  await ravn(folder, "clusterize", "model.onnx");
  await ravn(folder, "train");
  const { accuracy, loss } = await scoreOf(folder);
  const wall_s = (performance.now() - start_ms) / 1000;
  say(`\ntrained model: ${join(folder, "trained", "trained.onnx")}`);
  say(
    `demo: accuracy=${(accuracy! / 100).toFixed(4)} loss=${loss!.toFixed(4)} ` +
      `steps_per_s=${(await speedOf(folder)).toFixed(1)} wall_s=${wall_s.toFixed(1)}`,
  );
}

if (import.meta.main) await main();
