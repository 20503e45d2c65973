import { RavnError } from "../error.ts";
import { decimal } from "./decimal.ts";
import { floatOf, type Node } from "../onnx/mod.ts";

/** What a Dropout that names no ratio drops, by the specification. */
const DEFAULT_RATIO = 0.5;

/**
 * The probability with which a Dropout node drops elements: an attribute before opset 12, then an
 * input. `constant` gives the number of a value that is the same in every run.
 *
 * @throws {RavnError} where it is computed at run time or is not in [0, 1).
 */
export function dropoutRatio(
  node: Node,
  constant: (value: string) => number | undefined,
): number {
  const input = node.inputs[1] ?? "";
  const ratio = input === "" ? floatOf(node, "ratio", DEFAULT_RATIO) : constant(input);
  if (ratio === undefined) {
    throw new RavnError(
      `cannot train with node "${node.name}" (Dropout): its ratio "${input}" must be constant`,
    );
  }
  if (!(ratio >= 0 && ratio < 1)) {
    throw new RavnError(
      `cannot train with node "${node.name}" (Dropout): ratio ${ratio}; expected 0 <= ratio < 1`,
    );
  }
  return decimal(ratio);
}
