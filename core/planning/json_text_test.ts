import assert from "node:assert/strict";
import { RavnError } from "../error.ts";
import { parseJson } from "./json_text.ts";

Deno.test("valid texts are read as JSON.parse reads them", () => {
  const texts = [
    "null",
    " [ ] ",
    "{}",
    '{"a": [1, -2.5e3, 0, true, false, null], "b": {"c": "x\\n\\u00e9\\"\\\\"}}',
    '"\\/"',
    "[[[[]]], {}]",
  ];
  for (const text of texts) {
    assert.deepEqual(JSON.parse(JSON.stringify(parseJson(text, "f"))), JSON.parse(text));
  }
  assert.equal(parseJson("\ufeff 7", "f"), 7);
});

Deno.test("a wrong text is refused with line and column", () => {
  const cases: [string, RegExp][] = [
    ['{\n  "a": 1,\n}', /^f\.json: line 3, column 1: .*expected a key in double quotes, got "}"$/],
    ['{"a" 1}', /line 1, column 6: .*expected ":", got "1"/],
    ['{"a": x}', /line 1, column 7: .*expected a value, got "x"/],
    ['{"a": 08}', /line 1, column 7: .*expected a value, got "08"/],
    ['{"a": 1', /expected "," or "}", got the end of the file/],
    ["[1 2]", /column 4: .*expected "," or "]", got "2"/],
    ["[1] 2", /column 5: .*expected the end of the file/],
    ["", /line 1, column 1: .*expected a value, got the end of the file/],
    ['{"a": 1, "a": 2}', /column 10: .*each key once/],
    ["{'a': 1}", /expected a key in double quotes/],
    ['"a\nb"', /expected a value/],
    ["[".repeat(100), /at most 64 nested levels/],
  ];
  for (const [text, message] of cases) {
    assert.throws(() => parseJson(text, "f.json"), (thrown) => {
      assert.ok(thrown instanceof RavnError);
      assert.match(thrown.message, message);
      assert.ok(!thrown.message.includes("\n"));
      return true;
    });
  }
});

Deno.test("a key named __proto__ is data", () => {
  const value = parseJson('{"__proto__": {"x": 1}}', "f") as Record<string, unknown>;
  assert.deepEqual(Object.keys(value), ["__proto__"]);
});
