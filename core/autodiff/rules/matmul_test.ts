import { type Case, testCases } from "./gradient_check_test.ts";

const flags = [0, 1].flatMap((transA) => [0, 1].map((transB) => ({ transA, transB })));

testCases("Gemm: transposes, factors, and every form of C", [
  ...flags.flatMap(({ transA, transB }) =>
    (["float32", "float64"] as const).flatMap((dtype) =>
      [[3], [1, 3], [4, 1], [1], [], [4, 3], null].map((c): Case => ({
        op: "Gemm",
        dtype,
        attributes: { transA, transB, alpha: 0.5, beta: 2.5 },
        operands: [transA ? [2, 4] : [4, 2], transB ? [3, 2] : [2, 3], c],
      }))
    )
  ),
  { op: "Gemm", operands: [["batch", 4], [3, 4], [3]], attributes: { transB: 1 } },
  { op: "Gemm", operands: [["batch", 4], [4, 3], ["batch", 1]], opset: 9 },
  { op: "Gemm", operands: [["batch", 4], ["batch", 3]], attributes: { transA: 1 } },
]);

testCases("MatMul: stacks, broadcasting, vectors", [
  ...(["float32", "float64"] as const).flatMap((dtype) =>
    ([
      [["batch", 4], [4, 3]],
      [["batch", 2, 4], [4, 3]],
      [["batch", 2, 3, 4], [4, 3]],
      [["batch", 2, 4], ["batch", 4, 3]],
      [["batch", 2, 2, 4], [2, 4, 3]],
      [["batch", 1, 2, 4], ["batch", 3, 4, 3]],
      [[2, 4], ["batch", 4, 3]],
      [["batch", 4], [4]],
      [[4], [4, 3]],
      [[4], ["batch", 4, 3]],
      [["batch", 2, 4], [4]],
      [[4], [4]],
    ] as const).map((operands): Case => ({ op: "MatMul", dtype, operands }))
  ),
]);

testCases("FusedMatMul", [
  ...flags.flatMap(({ transA, transB }): Case[] => {
    const attributes = { transA, transB, alpha: 0.25 };
    const domain = "com.microsoft";
    const b = transB ? [3, 4] : [4, 3];
    return [
      { op: "FusedMatMul", domain, attributes, operands: [transA ? [4, 2] : [2, 4], b] },
      {
        op: "FusedMatMul",
        domain,
        attributes,
        operands: [transA ? ["batch", 4, 2] : ["batch", 2, 4], b],
      },
      {
        op: "FusedMatMul",
        domain,
        attributes,
        operands: [transA ? ["batch", 4, 2] : ["batch", 2, 4], ["batch", ...b]],
      },
    ];
  }),
]);
