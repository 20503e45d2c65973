import type { Inputs, PredictRequest } from "../core/run/requests.ts";
import { shapeText } from "./table.ts";
import { inputFiles, wholeNumber } from "./values.ts";
import { verb } from "./verb.ts";

type Flags = { data: Inputs; out: string; batch: number };

/** `ravn predict <model.onnx>` */
export const predict = verb<PredictRequest>({
  examples: [
    ["ravn predict trained/trained.onnx --data x.npy", "write predictions.npy"],
    ["ravn predict model.onnx --data x.npy --out y.npy", "write another file"],
  ],
  declare: (command) =>
    command
      .argument("<model.onnx>", "model to run")
      .requiredOption("--data <[input=]file>", "samples; once for each input", inputFiles)
      .option("--out <file>", "where to write the output", "predictions.npy")
      .option("--batch <n>", "samples at a time", wholeNumber(1), 256),
  read: (command) => {
    const { data, ...flags } = command.opts<Flags>();
    return { model: command.args[0]!, inputs: data, ...flags };
  },
  run: async (request, { engine, terminal }) => {
    const report = await engine.predict(request);
    terminal.event({ event: "predictions", ...report });
    terminal.line(`wrote ${report.file} ${shapeText(report.dims)}`);
  },
});
