import assert from "node:assert/strict";
import { RavnError } from "../error.ts";
import { parseConfig } from "./config.ts";

function config(data: string): ReturnType<typeof parseConfig> {
  return parseConfig(
    `model: m.onnx\nloss: cross_entropy\ndata:\n  train: ${data}\n`,
    "a/ravn.yaml",
  );
}

function refused(data: string, message: RegExp): void {
  assert.throws(() => config(data), (thrown) => {
    assert.ok(thrown instanceof RavnError, String(thrown));
    assert.match(thrown.message, message);
    return true;
  });
}

Deno.test("pictures with their transform are read, defaults filled in", () => {
  const { data } = config(
    "{images: train, labels: folder, transform: [horizontal_flip, " +
      "{type: random_resized_crop, size: 64}, {type: random_crop, size: [8, 6]}]}",
  );
  assert.equal(data.workers, "auto");
  assert.deepEqual(data.train, {
    images: "a/train",
    labels: "folder",
    transform: [
      { type: "horizontal_flip", p: 0.5 },
      { type: "random_resized_crop", size: 64, scale: [0.08, 1], ratio: [3 / 4, 4 / 3] },
      { type: "random_crop", size: [8, 6], padding: 0 },
    ],
  });
});

Deno.test("text needs no labels, and its tokenizer is a path unless it is bytes", () => {
  const text = "{text: t.txt, tokenizer: t.json, block_size: 64, task: masked, mask: 0.2}";
  assert.deepEqual(config(text).data.train, {
    text: "a/t.txt",
    tokenizer: "a/t.json",
    block_size: 64,
    task: "masked",
    mask: 0.2,
  });
  assert.equal(config("{text: t.txt, tokenizer: bytes}").data.train.tokenizer, "bytes");
});

Deno.test("pictures cannot be skipped where another stage reads the labels", () => {
  refused(
    "{images: d, labels: folder, on_error: skip}\nlabels: leaf",
    /ravn\.yaml:4: data\.train\.on_error: skip does not go with labels: leaf/,
  );
});

Deno.test("what does not go together is named by its key and line", () => {
  const at = "^a/ravn\\.yaml:4: ";
  refused(
    "{labels: y.npy}",
    /missing key "data\.train\.inputs"; expected a file, or one of images and text/,
  );
  refused(
    "{inputs: x.npy, text: t.txt}",
    /expected one of inputs, images and text; got inputs and text/,
  );
  refused("{inputs: x.npy, labels: y.npy, task: masked}", /train\.task: does not go with inputs/);
  refused("{text: t.txt, labels: y.npy}", /labels: does not go with text, which is its own label/);
  refused("{images: d, labels: folder, on_error: ignore}", /on_error: expected stop or skip/);
  refused("{images: d}", /missing key "data\.train\.labels"/);
  refused("{images: d, labels: folder, transform: [{type: crop}]}", /expected random_resized_crop/);
  refused(
    "{images: d, labels: folder, transform: [{type: resize, size: 0}]}",
    new RegExp(`${at}data\\.train\\.transform\\.0\\.size: expected`),
  );
  refused(
    "{images: d, labels: folder, transform: [{type: normalise, mean: [0], std: [0]}]}",
    /transform\.0\.std\.0: expected more than 0/,
  );
  refused(
    "{images: d, labels: folder, transform: [{type: resize, size: 4, sise: 4}]}",
    /unknown key "data\.train\.transform\.0\.sise"; did you mean "data\.train\.transform\.0\.size"/,
  );
});
