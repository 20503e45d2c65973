import assert from "node:assert/strict";
import { parseConfig } from "./config.ts";
import type { Override } from "./config.ts";

const MINIMAL = "model: m.onnx\ndata: {train: {inputs: x.npy, labels: y.npy}}\n";

function compression(text: string, overrides: Override[] = []) {
  return parseConfig(`${MINIMAL}${text}\n`, "ravn.yaml", overrides).compression;
}

const NONE = { type: "none" };

Deno.test("nothing is compressed by default; a name alone is a codec", () => {
  assert.deepEqual(compression(""), { activations: NONE, gradients: NONE, averaging: NONE });
  assert.deepEqual(compression("compression: {activations: int8, averaging: bf16}"), {
    activations: { type: "int8", feedback: false },
    gradients: NONE,
    averaging: { type: "bf16", feedback: false },
  });
  assert.deepEqual(compression("", [["compression.gradients", "f16"]]).gradients, {
    type: "f16",
    feedback: false,
  });
});

Deno.test("top-k has error feedback unless told otherwise", () => {
  const topk = { type: "topk", share: 0.01, feedback: true };
  assert.deepEqual(compression("compression: {gradients: topk, averaging: {type: topk}}"), {
    activations: NONE,
    gradients: topk,
    averaging: topk,
  });
  const { activations } = compression(
    "compression: {activations: {type: topk, share: 0.5, feedback: false}}",
  );
  assert.deepEqual(activations, { type: "topk", share: 0.5, feedback: false });
});

Deno.test("a codec that is none is refused with its line and what there is", () => {
  const faults: [text: string, message: string][] = [
    [
      "{activations: zip}",
      'activations: expected none, f16, bf16, int8 or topk or a map of keys, got "zip"',
    ],
    ["{activations: {type: topk, share: 0.6}}", "activations.share: expected at most 0.5, got 0.6"],
    ["{gradients: {type: topk, share: 0}}", "gradients.share: expected more than 0, got 0"],
    ["{gradients: {type: int8, feedback: 1}}", "gradients.feedback: expected true or false, got 1"],
  ];
  for (const [text, message] of faults) {
    assert.throws(() => compression(`compression: ${text}`), {
      message: `ravn.yaml:3: compression.${message}`,
    });
  }
  assert.throws(() => compression("compression: {averaging: {type: topk, shar: 0.1}}"), {
    message: 'ravn.yaml:3: unknown key "compression.averaging.shar"; ' +
      'did you mean "compression.averaging.share"?',
  });
});
