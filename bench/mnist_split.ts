import { join } from "node:path";
import { readIdx } from "../core/data/idx.ts";
import { writeNpy } from "../core/data/mod.ts";
import type { Tensor } from "../core/onnx/mod.ts";

/** Names the folder with MNIST's files, as they are published. */
export const MNIST_VARIABLE = "RAVN_MNIST";

const TRAIN = 8000;

/** A part of the data as `ravn.yaml` names it. */
interface Part {
  readonly inputs: string;
  readonly labels: string;
}

/**
 * Writes the test images of MNIST into a folder as npy files: the first 8,000 to train on, the
 * other 2,000 to validate.
 *
 * @returns names of the files, or why there are none
 */
export async function mnistSplit(
  folder: string,
): Promise<{ readonly train: Part; readonly validation: Part } | { readonly skipped: string }> {
  const mnist = Deno.env.get(MNIST_VARIABLE);
  if (mnist === undefined) {
    return { skipped: `${MNIST_VARIABLE} names no folder with MNIST's test images` };
  }
  const read = async (name: string) => readIdx(await Deno.readFile(join(mnist, name)), name);
  const images = await read("t10k-images-idx3-ubyte.gz");
  const labels = await read("t10k-labels-idx1-ubyte.gz");
  const write = async (name: string, tensor: Tensor) => {
    await Deno.writeFile(join(folder, name), await new Blob([...writeNpy(tensor)]).bytes());
    return name;
  };
  const part = async (name: string, begin: number, end: number) => ({
    inputs: await write(`x_${name}.npy`, rows(images, begin, end)),
    labels: await write(`y_${name}.npy`, rows(labels, begin, end)),
  });
  return {
    train: await part("mnist_train", 0, TRAIN),
    validation: await part("mnist_validation", TRAIN, images.dims[0]!),
  };
}

function rows({ dtype, dims, bytes }: Tensor, begin: number, end: number): Tensor {
  const size = bytes.length / dims[0]!;
  const dimsOfRows = [end - begin, ...dims.slice(1)];
  return { dtype, dims: dimsOfRows, bytes: bytes.slice(begin * size, end * size) };
}
