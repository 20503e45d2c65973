import { RavnError } from "../error.ts";
import { elementCount } from "../onnx/tensor.ts";
import type { Column } from "./column.ts";
import { elementsOf } from "./elements.ts";

/**
 * Checks that every element of `column` is a class index in [0, classes).
 *
 * @param ignore a label that is allowed besides (`ignore_index`).
 * @throws {RavnError} naming the file, the row (from 0) and the label.
 */
export function checkClasses(column: Column, classes: number, ignore?: number): void {
  const elements = elementsOf(column);
  for (let i = 0; i < elements.length; i++) {
    const label = elements[i]!;
    if (label === ignore || (label >= 0 && label < classes && Number.isInteger(label))) continue;
    const row = Math.floor(i / elementCount(column.dims));
    const problem = Number.isInteger(label) ? "is out of range" : "is no integer";
    throw new RavnError(
      `${column.source}: row ${row}: label ${label} ${problem}, ` +
        `the model has ${classes} classes (0..${classes - 1})`,
    );
  }
}

/** True when every sample is a vector of one 1 and otherwise 0: one-hot class labels. */
export function isOneHot(column: Column): boolean {
  const width = column.dims[0];
  if (column.dims.length !== 1 || width === undefined || width < 2) return false;
  const elements = elementsOf(column);
  for (let row = 0; row < column.count; row++) {
    let ones = 0;
    for (let i = row * width; i < (row + 1) * width; i++) {
      if (elements[i] === 1) ones += 1;
      else if (elements[i] !== 0) return false;
    }
    if (ones !== 1) return false;
  }
  return true;
}
