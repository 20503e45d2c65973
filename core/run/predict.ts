import { writeNpy, writeWhole } from "../data/mod.ts";
import type { Tensor } from "../onnx/mod.ts";
import { Runtime } from "../runtime/mod.ts";
import { openModel } from "./evaluate.ts";
import type { PredictReport, PredictRequest } from "./requests.ts";

/** Runs a model over data and writes its first output to an npy file. */
export async function predict(request: PredictRequest): Promise<PredictReport> {
  using runtime = Runtime.open();
  using model = await openModel(runtime, request.model, {
    files: { inputs: request.inputs },
  });
  const name = model.graph.outputs[0]!.name;
  const parts: Tensor[] = [];
  for (let start = 0; start < model.count; start += request.batch) {
    const samples = Math.min(request.batch, model.count - start);
    parts.push((await model.session.run(await model.inputs(start, samples))).get(name)!);
  }
  const first = parts[0]!;
  const dims = [model.count, ...first.dims.slice(1)];
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.bytes.length, 0));
  let offset = 0;
  for (const part of parts) {
    bytes.set(part.bytes, offset);
    offset += part.bytes.length;
  }
  await writeWhole(request.out, writeNpy({ dtype: first.dtype, dims, bytes }));
  return { file: request.out, dims };
}
