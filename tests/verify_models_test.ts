/** `ravn verify` on the example networks; the larger ones take minutes and are left to the user. */
import assert from "node:assert/strict";
import { writeModel } from "../core/onnx/mod.ts";
import { verify } from "../core/run/verify.ts";
import { EXAMPLES } from "../models/mod.ts";

const SMALL = [
  ...["digits_cnn", "mlp", "lenet", "residual", "mnist_cnn", "fourier"],
  ...["gpt_nano", "gpt_micro"],
];

for (const example of EXAMPLES) {
  if (!SMALL.includes(example.name)) continue;
  Deno.test(`ravn verify passes on ${example.name}`, async () => {
    const model = await Deno.makeTempFile({ suffix: ".onnx" });
    try {
      await Deno.writeFile(model, writeModel(example.build({ seed: 1 })));
      const terms = { batch: 4, seed: 1, tolerance: 0.01, seconds: 4 };
      const { verdict, rows } = await verify({ model, ...terms });
      const wrong = rows.filter(({ verdict }) => verdict === "differs");
      assert.equal(verdict, "pass", JSON.stringify(wrong));
    } finally {
      await Deno.remove(model);
    }
  });
}
