import { RavnError } from "../core/error.ts";
import type { EvalRequest, Inputs } from "../core/run/requests.ts";
import { scoreText } from "./score.ts";
import { inputFiles, wholeNumber } from "./values.ts";
import { verb } from "./verb.ts";

type Flags = { data?: Inputs; labels?: string; config?: string; batch: number };

/** `ravn eval <model.onnx>` */
export const evaluate = verb<EvalRequest>({
  examples: [
    ["ravn eval trained/trained.onnx", "on the validation set of ravn.yaml"],
    ["ravn eval model.onnx --data x_val.npy --labels y_val.npy", "on files"],
    ["ravn eval model.onnx --data ids=i.npy --data mask=m.npy --labels y.npy", "two inputs"],
    ["ravn eval model.onnx --data val.npz#x --labels val.npz#y --json", "members of an npz file"],
  ],
  declare: (command) =>
    command
      .argument("<model.onnx>", "model to measure")
      .option("--data <[input=]file>", "samples; once for each input of the model", inputFiles)
      .option("--labels <file>", "labels of the samples")
      .option("--config <file>", "take the validation set and loss from here (default: ravn.yaml)")
      .option("--batch <n>", "samples at a time", wholeNumber(1), 256),
  read: (command) => {
    const { data, labels, ...flags } = command.opts<Flags>();
    if ((data === undefined) !== (labels === undefined)) {
      throw new RavnError(
        `--${data ? "data" : "labels"} was given without --${data ? "labels" : "data"}; ` +
          "give both, or neither to use the configuration's validation set",
      );
    }
    return {
      model: command.args[0]!,
      ...flags,
      ...(data === undefined ? {} : { inputs: data }),
      ...(labels === undefined ? {} : { labels }),
    };
  },
  run: async (request, { engine, terminal }) => {
    const report = await engine.evaluate(request);
    terminal.event({ event: "eval", ...report });
    terminal.line(scoreText(report));
  },
});
