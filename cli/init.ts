import { verb } from "./verb.ts";
import type { InitRequest } from "../core/run/requests.ts";

type Flags = { model: string; force?: true };

/** `ravn init [folder]` */
export const init = verb<InitRequest>({
  examples: [
    ["ravn init", "make the current folder ready to train"],
    ["ravn init digits", "the same in a folder of its own"],
    ["ravn init sorter --model gpt_nano", "with another example network"],
    ["ravn init --model digits_cnn --force", "start over with the example model"],
  ],
  declare: (command) =>
    command
      .argument("[folder]", "where to write", ".")
      .option(
        "--model <name>",
        "example network to write; a wrong name lists them all",
        "digits_cnn",
      )
      .option("--force", "replace files that are already there"),
  read: (command) => {
    const flags = command.opts<Flags>();
    const [folder] = command.processedArgs as [string];
    return { folder, model: flags.model, force: flags.force ?? false };
  },
  run: async (request, { engine, terminal }) => {
    const report = await engine.init(request);
    terminal.event({ event: "init", ...report });
    for (const file of report.files) terminal.line(`wrote ${file}`);
    const enter = request.folder === "." ? "" : `cd ${request.folder} && `;
    terminal.hint(`next: ${enter}ravn clusterize model.onnx`);
  },
});
