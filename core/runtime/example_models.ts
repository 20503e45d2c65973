/** Small models and memory for the tests of this folder. */
import { type DType, GraphBuilder, tensor, writeModel } from "../onnx/mod.ts";
import { floatsOf } from "./arena.ts";
import { alignedBytes } from "./memory.ts";

/** Memory of its own that holds `values` as f32. */
export function alignedFloats(values: readonly number[]): Uint8Array<ArrayBuffer> {
  const bytes = alignedBytes(values.length * 4);
  floatsOf(bytes).set(values);
  return bytes;
}

/** y = 2x + offset, `[batch, 3]`. */
export function affineModel(): Uint8Array<ArrayBuffer> {
  const builder = new GraphBuilder("affine");
  const x = builder.input("x", "float32", ["batch", 3]);
  const offset = builder.input("offset", "float32", [3]);
  const two = builder.constant(tensor("float32", [], [2]));
  const doubled = builder.node("Mul", [x, two]);
  const y = builder.node("Add", [doubled, offset], {}, { outputs: ["y"] });
  builder.output(y, "float32", ["batch", 3]);
  return writeModel(builder.build());
}

/** y = x · x · … (`repeats` products of a 256 × 256 matrix): a run of tens of milliseconds. */
export function slowModel(repeats: number): Uint8Array<ArrayBuffer> {
  const builder = new GraphBuilder("slow");
  const x = builder.input("x", "float32", [256, 256]);
  let power = x;
  for (let i = 0; i < repeats; i++) power = builder.node("MatMul", [power, x]);
  builder.output(
    builder.node("Identity", [power], {}, { outputs: ["y"] }),
    "float32",
    [256, 256],
  );
  return writeModel(builder.build());
}

/** to_T = from_T for each element type T, `[count]`. */
export function passThroughModel(dtypes: readonly DType[]): Uint8Array<ArrayBuffer> {
  const builder = new GraphBuilder("pass_through");
  for (const dtype of dtypes) {
    const input = builder.input(`from_${dtype}`, dtype, ["count"]);
    const output = builder.node("Identity", [input], {}, { outputs: [`to_${dtype}`] });
    builder.output(output, dtype, ["count"]);
  }
  return writeModel(builder.build());
}
