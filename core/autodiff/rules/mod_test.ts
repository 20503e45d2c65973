import assert from "node:assert/strict";
import { type DType, type Graph, OPSETS, signatureOf, tensor } from "../../onnx/mod.ts";
import { MICROSOFT_OPERATORS, NCHWC_OPERATORS } from "../../onnx/operators_microsoft.ts";
import { ONNX_OPERATORS } from "../../onnx/operators_onnx.ts";
import { RavnError } from "../../error.ts";
import { differentiate } from "../differentiate.ts";
import { operators, ruleFor } from "./mod.ts";
import { type OperatorInfo, Registry } from "./registry.ts";

const DOMAINS: [domain: string, table: Readonly<Record<string, string>>][] = [
  ["", ONNX_OPERATORS],
  ["com.microsoft", MICROSOFT_OPERATORS],
  ["com.microsoft.nchwc", NCHWC_OPERATORS],
];

/** The versions of a domain that ravn reads. */
function opsetsOf(domain: string): number[] {
  if (domain !== "") return [1];
  return Array.from({ length: OPSETS.newest - OPSETS.oldest + 1 }, (_, i) => OPSETS.oldest + i);
}

/** The entries that speak of an operator at one version. */
function entriesAt(infos: readonly OperatorInfo[], opset: number): OperatorInfo[] {
  return infos.filter(({ since, until = Infinity }) => since <= opset && opset <= until);
}

Deno.test("every operator is classed exactly once at every opset, with a reason if it must", () => {
  const infos = operators();
  for (const [domain, table] of DOMAINS) {
    for (const op of Object.keys(table)) {
      const own = infos.filter((info) => info.domain === domain && info.op === op);
      for (const opset of opsetsOf(domain)) {
        const exists = signatureOf(domain, op, opset) !== undefined;
        const classes = entriesAt(own, opset).map(({ kind }) => kind);
        const what = `${domain} ${op} at opset ${opset} is classed as ${classes.join(", ")}`;
        assert.equal(classes.length, exists ? 1 : 0, what);
      }
    }
  }
  for (const { op, domain, kind, reason } of infos) {
    const table = DOMAINS.find(([name]) => name === domain)?.[1] ?? {};
    assert.ok(Object.hasOwn(table, op), `there is no operator ${domain}.${op}`);
    if (kind !== "differentiable") assert.ok(reason !== undefined && reason.length > 10, op);
  }
});

Deno.test("to class an operator twice is an error", () => {
  const group = { domain: "", reason: "is not like that", operators: ["Relu"] };
  assert.throws(() => new Registry({ Relu: [] }, [group], []), /Relu is listed twice/);
  assert.throws(() => new Registry({}, [group], [group]), /as zero and as refused/);
});

Deno.test("a differentiable operator has a rule wherever it exists since opset 9", () => {
  const refusedAt = operators().filter(({ kind, op, domain }) =>
    kind === "refused" &&
    operators().some((o) => o.op === op && o.domain === domain && o.kind !== kind)
  );
  for (const { op, since } of refusedAt) assert.ok(since < 9, `${op} has no rule at ${since}`);
});

Deno.test("a rule holds for its opsets only", () => {
  assert.equal(ruleFor("MaxPool", "", 7), undefined);
  assert.notEqual(ruleFor("Clip", "", 10), ruleFor("Clip", "", 11));
  assert.equal(ruleFor("Relu", "com.example", 17), undefined);
  assert.deepEqual(
    operators().filter(({ op }) => op === "MaxPool").map((info) => [info.kind, info.since]),
    [["refused", 7], ["differentiable", 8], ["refused", 1]],
  );
});

/** y = op(x), with all its other inputs x too. */
function graphOf({ op, domain, since }: OperatorInfo): Graph {
  const { inputs } = signatureOf(domain, op, since)!;
  const dtype: DType = "float32";
  return {
    name: "refused",
    inputs: [{ name: "x", dtype, shape: ["batch", 3] }],
    outputs: [{ name: "y", dtype, shape: ["batch", 3] }],
    nodes: [{
      name: "the node",
      op,
      domain,
      inputs: new Array<string>(Math.max(1, inputs.min)).fill("x"),
      outputs: ["y"],
      attributes: {},
    }],
    initializers: new Map([["w", tensor(dtype, [1], [0])]]),
    opsets: new Map([[domain, since]]),
  };
}

Deno.test("a refused operator on the path of a gradient names node, operator and reason", () => {
  const refused = operators().filter(({ kind }) => kind === "refused");
  assert.ok(refused.length > 50);
  const fact = { dtype: "float32" as const, dims: [{ perSample: 1 }, 3] };
  const facts = new Map([["x", fact], ["y", fact]]);
  for (const info of refused) {
    const graph = graphOf(info);
    const wanted = { graph, facts, seeds: new Map([["y", "dy"]]), wrt: ["x"] };
    assert.throws(() => differentiate(wanted), (e: unknown) => {
      assert.ok(e instanceof RavnError);
      const name = info.domain === "" ? info.op : `${info.domain}.${info.op}`;
      assert.equal(
        e.message,
        `no gradient for operator ${name} (opset ${info.since}) at node "the node": ` +
          `${info.reason}; see all operators with: ravn inspect --operators`,
      );
      return true;
    });
  }
});

Deno.test("every differentiable operator is in a test of its gradient", async () => {
  let texts = "";
  for (const folder of ["./", "../"].map((path) => new URL(path, import.meta.url))) {
    for await (const { name } of Deno.readDir(folder)) {
      if (!name.endsWith("_test.ts") || name === "mod_test.ts") continue;
      texts += await Deno.readTextFile(new URL(name, folder));
    }
  }
  const differentiable = operators().filter(({ kind }) => kind === "differentiable");
  const missing = differentiable.filter(({ op }) => !texts.includes(`"${op}"`));
  assert.deepEqual(missing.map(({ op, domain }) => `${domain} ${op}`), []);
});
