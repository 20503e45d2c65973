import { type Case, testCases } from "./gradient_check_test.ts";

const fixed = (dims: readonly number[]) => ({ dims, fixed: true });
const positions = (dims: readonly (number | "batch")[], values: readonly number[]) => ({
  dims,
  values,
  dtype: "int64" as const,
});

testCases("RotaryEmbedding of opset 23", [
  ...[0, 1].flatMap((interleaved): Case[] => [
    {
      op: "RotaryEmbedding",
      opset: 23,
      attributes: { interleaved },
      operands: [
        ["batch", 2, 3, 4],
        fixed([5, 2]),
        fixed([5, 2]),
        positions(["batch", 3], [0, 1, 4, 2, 3, 1]),
      ],
    },
    {
      op: "RotaryEmbedding",
      opset: 23,
      attributes: { interleaved, num_heads: 2 },
      operands: [
        ["batch", 3, 8],
        fixed([5, 2]),
        fixed([5, 2]),
        positions(["batch", 3], [0, 1, 4, 2, 3, 1]),
      ],
    },
    {
      op: "RotaryEmbedding",
      opset: 23,
      attributes: { interleaved, rotary_embedding_dim: 4 },
      operands: [
        ["batch", 2, 3, 6],
        fixed([5, 2]),
        fixed([5, 2]),
        positions(["batch", 3], [0, 1, 4, 2, 3, 1]),
      ],
    },
  ]),
]);

testCases("RotaryEmbedding of ONNX Runtime", [
  ...[0, 1].flatMap((interleaved): Case[] => [
    {
      op: "RotaryEmbedding",
      domain: "com.microsoft",
      attributes: { interleaved },
      operands: [
        ["batch", 2, 3, 4],
        positions(["batch", 3], [0, 1, 4, 2, 3, 1]),
        fixed([5, 2]),
        fixed([5, 2]),
      ],
    },
    {
      op: "RotaryEmbedding",
      domain: "com.microsoft",
      attributes: { interleaved, num_heads: 2 },
      operands: [
        ["batch", 3, 8],
        positions([1], [1]),
        fixed([5, 2]),
        fixed([5, 2]),
      ],
    },
  ]),
]);
