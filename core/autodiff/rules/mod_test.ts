import assert from "node:assert/strict";
import { signatureOf } from "../../onnx/mod.ts";
import { operators, ruleFor } from "./mod.ts";

const OPSETS = Array.from({ length: 20 }, (_, i) => i + 7);

Deno.test("no operator is listed twice", () => {
  const names = operators().map(({ domain, op }) => `${domain}.${op}`);
  assert.equal(new Set(names).size, names.length);
});

Deno.test("every listed operator exists", () => {
  for (const { op, domain } of operators()) {
    const opsets = domain === "" ? OPSETS : [1];
    assert.ok(opsets.some((opset) => signatureOf(domain, op, opset) !== undefined), op);
  }
});

Deno.test("a differentiable operator has a rule wherever it exists since opset 8", () => {
  for (const { op, domain, kind } of operators()) {
    const opsets = domain === "" ? OPSETS.slice(1) : [1];
    for (const opset of opsets) {
      if (signatureOf(domain, op, opset) === undefined) continue;
      const rule = ruleFor(op, domain, opset);
      assert.equal(rule?.kind ?? "none", kind, `${op} at opset ${opset}`);
    }
  }
});

Deno.test("a rule holds for its opsets only", () => {
  assert.equal(ruleFor("MaxPool", "", 7), undefined);
  assert.notEqual(ruleFor("Clip", "", 10), ruleFor("Clip", "", 11));
  assert.equal(ruleFor("Relu", "com.example", 17), undefined);
});
