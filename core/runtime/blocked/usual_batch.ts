import type { Graph } from "../../onnx/mod.ts";
import type { Rewriting } from "./rewriting.ts";

/**
 * Adds a choice by the number of samples: `usual` writes what computes `o.result` where `o.value`
 * has `o.samples` of them, and `other` what does for any number. Both return the value's name.
 */
export function writeByBatch(
  to: Rewriting,
  o: { readonly value: string; readonly samples: number; readonly result: string },
  usual: () => string,
  other: () => string,
): void {
  const { value, samples, result } = o;
  const graph = (name: string, write: () => string): { type: "graph"; value: Graph } => ({
    type: "graph",
    value: to.branch(name, write),
  });
  const size = to.node("Gather", [to.node("Shape", [value]), to.ints([0])], { axis: 0 });
  const branches = { then_branch: graph("usual", usual), else_branch: graph("other", other) };
  to.emit("If", [to.node("Equal", [size, to.ints([samples])])], branches, "", result);
}
