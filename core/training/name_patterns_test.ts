import assert from "node:assert/strict";
import { RavnError } from "../error.ts";
import { checkPatterns, matches } from "./name_patterns.ts";

Deno.test("a star is any text, a question mark one character, the rest itself", () => {
  const cases: [pattern: string, name: string, found: boolean][] = [
    ["*.bias", "layer.0.bias", true],
    ["*.bias", "layer.0.bias2", false],
    ["*norm*", "encoder.LayerNorm.weight", false],
    ["*Norm*", "encoder.LayerNorm.weight", true],
    ["features.*", "features.0.weight", true],
    ["features.*", "myfeatures.0.weight", false],
    ["layer.?.weight", "layer.7.weight", true],
    ["layer.?.weight", "layer.17.weight", false],
    ["*a*b*c", "xaybzbc", true],
    ["*a*b*c", "xaybzb", false],
    ["a.b", "axb", false],
    ["*", "", true],
    ["", "", true],
    ["", "a", false],
    ["a*", "a", true],
    ["[ab]", "a", false],
  ];
  for (const [pattern, name, found] of cases) {
    assert.equal(matches(pattern, name), found, `${pattern} on ${name}`);
  }
});

Deno.test("many stars take no long time", () => {
  assert.equal(matches("*a".repeat(50) + "b", "a".repeat(5000)), false);
});

Deno.test("a pattern that matches nothing names the nearest parameters", () => {
  const names = ["features.0.weight", "features.0.bias", "head.weight"];
  checkPatterns("freeze", ["features.*", "head*"], names);
  assert.throws(() => checkPatterns("freeze", ["head.*", "feature.0.weight"], names), (thrown) => {
    assert.ok(thrown instanceof RavnError);
    assert.equal(
      thrown.message,
      'freeze: no parameter of the model matches "feature.0.weight"; the nearest are ' +
        '"features.0.weight", "features.0.bias", "head.weight"',
    );
    return true;
  });
});

Deno.test("of a pattern with stars its beginning or end is compared", () => {
  const names = ["bn1.bias", "fc.weight", "layer1.0.conv1.weight", "layer2.0.conv1.weight"];
  const told = (pattern: string, message: RegExp) =>
    assert.throws(() => checkPatterns("freeze", [pattern], names), message);
  told("layer3.*", /nearest are "layer1.0.conv1.weight", "layer2.0.conv1.weight", /);
  told("*.wieght", /nearest are "fc.weight", "layer1/);
});
