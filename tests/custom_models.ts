import { GraphBuilder, tensor, writeModel } from "../core/onnx/mod.ts";
import { Random } from "../core/random.ts";

/** Builds small models on flat digits, [batch, 64], by hand. */
class Sketch {
  readonly builder: GraphBuilder;
  readonly #random = new Random(7);

  constructor(name: string) {
    this.builder = new GraphBuilder(name);
  }

  /** x · W + b, uniform as PyTorch starts a linear layer. */
  linear(name: string, x: string, inputs: number, outputs: number): string {
    const bound = 1 / Math.sqrt(inputs);
    const uniform = (count: number) =>
      Float32Array.from({ length: count }, () => (2 * this.#random.uniform() - 1) * bound);
    const size = inputs * outputs;
    const weight = tensor("float32", [inputs, outputs], uniform(size));
    const w = this.builder.initializer(`${name}.weight`, weight);
    const b = this.builder.initializer(
      `${name}.bias`,
      tensor("float32", [outputs], uniform(outputs)),
    );
    return this.builder.node("Gemm", [x, w, b], {}, { name });
  }

  relu(name: string, x: string): string {
    return this.builder.node("Relu", [x], {}, { name });
  }
}

/** Pixels go from 0 to 16; this brings them to 0 to 1. */
function scaled({ builder }: Sketch, x: string): string {
  const range = builder.constant(tensor("float32", [], [16]), "range");
  return builder.node("Div", [x, range], {}, { name: "scaled" });
}

/**
 * Two inputs, `image` [batch, 64] and `hint` [batch, 10], of which the second is read at the very
 * end; and a shortcut from the first layer over two others. Its output are logits, [batch, 10].
 */
export function twoInputs(): Uint8Array {
  const sketch = new Sketch("two_inputs");
  const { builder } = sketch;
  const image = builder.input("image", "float32", ["batch", 64]);
  const hint = builder.input("hint", "float32", ["batch", 10]);
  const first = sketch.relu("relu1", sketch.linear("fc1", scaled(sketch, image), 64, 48));
  const second = sketch.relu("relu2", sketch.linear("fc2", first, 48, 48));
  const third = sketch.linear("fc3", second, 48, 48);
  const sum = sketch.relu("relu3", builder.node("Add", [third, first], {}, { name: "shortcut" }));
  const both = builder.node("Concat", [sum, hint], { axis: 1 }, { name: "both" });
  builder.output(sketch.linear("fc4", both, 58, 10), "float32", ["batch", 10]);
  return writeModel(builder.build());
}

/**
 * A model that takes its targets as an input and computes its own loss: the mean squared error of
 * `prediction` and `target`, both [batch, 10], is the output `loss`.
 */
export function ownLoss(): Uint8Array {
  const sketch = new Sketch("own_loss");
  const { builder } = sketch;
  const image = builder.input("image", "float32", ["batch", 64]);
  const target = builder.input("target", "float32", ["batch", 10]);
  const hidden = sketch.relu("relu1", sketch.linear("fc1", scaled(sketch, image), 64, 48));
  const deeper = sketch.relu("relu2", sketch.linear("fc2", hidden, 48, 48));
  const logits = sketch.linear("fc3", deeper, 48, 10);
  const prediction = builder.node("Softmax", [logits], { axis: 1 }, { outputs: ["prediction"] });
  const error = builder.node("Sub", [prediction, target], {}, { name: "error" });
  const square = builder.node("Mul", [error, error], {}, { name: "square" });
  const mean = { name: "mean", outputs: ["loss"] };
  const loss = builder.node("ReduceMean", [square], { keepdims: 0 }, mean);
  builder.output(prediction, "float32", ["batch", 10]);
  builder.output(loss, "float32", []);
  return writeModel(builder.build());
}

/**
 * Two outputs: the logits `digit`, [batch, 10], which the second layer makes, and `drawing`,
 * [batch, 64], the image again in the pixels' own range, from two layers more.
 */
export function twoOutputs(): Uint8Array {
  const sketch = new Sketch("two_outputs");
  const { builder } = sketch;
  const image = builder.input("image", "float32", ["batch", 64]);
  const first = sketch.relu("relu1", sketch.linear("encoder", scaled(sketch, image), 64, 32));
  const logits = sketch.linear("classifier", first, 32, 10);
  const wide = sketch.relu("relu2", sketch.linear("decoder1", first, 32, 48));
  const drawing = sketch.linear("decoder2", wide, 48, 64);
  const shown = (value: string, name: string) =>
    builder.node("Identity", [value], {}, { name, outputs: [name] });
  builder.output(shown(drawing, "drawing"), "float32", ["batch", 64]);
  builder.output(shown(logits, "digit"), "float32", ["batch", 10]);
  return writeModel(builder.build());
}
