import assert from "node:assert/strict";
import { configHelp } from "./config_help.ts";

Deno.test("keys, defaults and meanings, wrapped", () => {
  const keys = [
    { key: "model", default: undefined, meaning: "ONNX file of the network" },
    { key: "epochs", default: "100", meaning: "times" },
  ];
  assert.equal(
    configHelp(keys, 24),
    "Keys of ravn.yaml, with their defaults:\n" +
      "  model: (must be given)\n      ONNX file of the\n      network\n" +
      "  epochs: 100\n      times\n",
  );
});
