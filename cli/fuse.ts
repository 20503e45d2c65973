import type { FuseRequest } from "../core/run/requests.ts";
import { grouped } from "./table.ts";
import { wholeNumber } from "./values.ts";
import { verb } from "./verb.ts";

type Flags = { out: string; force?: true };

/** `ravn fuse <cluster>` */
export const fuse = verb<FuseRequest>({
  examples: [
    ["ravn fuse 0", "write trained/trained.onnx and trained/trained.safetensors"],
    ["ravn fuse 1 --out replica", "another cluster, another folder"],
  ],
  declare: (command) =>
    command
      .argument("<cluster>", "number of the cluster", wholeNumber())
      .option("--out <folder>", "folder to write to", "trained")
      .option("--force", "replace files that are already there"),
  read: (command) => {
    const { out, force = false } = command.opts<Flags>();
    const [cluster] = command.processedArgs as [number];
    return { cluster, out, force };
  },
  run: async (request, { engine, terminal }) => {
    const report = await engine.fuse(request);
    terminal.event({ event: "fused", ...report });
    for (const file of report.files) terminal.line(`wrote ${file}`);
    terminal.line(
      `${report.stages} stages, ${grouped(report.parameters)} parameters, in inference form`,
    );
    terminal.hint(`next: ravn eval ${report.files[0] ?? "trained/trained.onnx"}`);
  },
});
