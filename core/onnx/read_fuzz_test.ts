import assert from "node:assert/strict";
import { RavnError } from "../error.ts";
import { Random } from "../random.ts";
import { readModel } from "./read.ts";
import { variedGraph } from "./sample_graphs.ts";
import { writeModel } from "./write.ts";

/** Reads damaged bytes: a graph may come out of it, or a RavnError, and nothing else. */
function tryToRead(bytes: Uint8Array, how: string): boolean {
  try {
    readModel(bytes, { file: "m.onnx", external: () => new Uint8Array(8) });
    return true;
  } catch (error) {
    assert.ok(error instanceof RavnError, `${how}: ${error}`);
    assert.ok(error.message.startsWith("m.onnx: "), `${how}: ${error.message}`);
    return false;
  }
}

Deno.test("a model cut short anywhere is refused", () => {
  const whole = writeModel(variedGraph());
  assert.ok(tryToRead(whole, "whole"));
  for (let length = 0; length < whole.length; length++) {
    // A cut between two fields leaves a file that is well-formed, but lacks something.
    assert.ok(!tryToRead(whole.subarray(0, length), `cut to ${length}`), `cut to ${length}`);
  }
});

Deno.test("flipped, overwritten and repeated bytes never do more than raise a RavnError", () => {
  const whole = writeModel(variedGraph());
  const random = new Random(1);
  let survived = 0;
  for (let round = 0; round < 3000; round++) {
    const bytes = whole.slice();
    for (let n = random.integer(4); n >= 0; n--) {
      const at = random.integer(bytes.length);
      const kind = random.integer(3);
      if (kind === 0) bytes[at]! ^= 1 << random.integer(8);
      else if (kind === 1) bytes[at] = random.integer(256);
      else bytes.copyWithin(at, random.integer(bytes.length), random.integer(bytes.length));
    }
    if (tryToRead(bytes, `round ${round}`)) survived++;
  }
  assert.ok(survived > 0, "some damage lies in names and weights, and cannot be seen");
});

Deno.test("random bytes are refused", () => {
  const random = new Random(2);
  for (let round = 0; round < 500; round++) {
    const bytes = Uint8Array.from({ length: random.integer(200) }, () => random.integer(256));
    tryToRead(bytes, `round ${round}`);
  }
});
