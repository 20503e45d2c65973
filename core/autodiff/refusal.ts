import { RavnError } from "../error.ts";
import type { Node } from "../onnx/mod.ts";
import { refusalReason } from "./rules/mod.ts";
import { fullName } from "./rules/registry.ts";

/** The error for a node whose operator is refused: names both and the reason. */
export function refusal({ name, op, domain }: Node, opset: number): RavnError {
  return new RavnError(
    `no gradient for operator ${fullName(op, domain)} (opset ${opset}) at node "${name}": ` +
      `${refusalReason(op, domain, opset)}; see all operators with: ravn inspect --operators`,
  );
}
