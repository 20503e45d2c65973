/**
 * The shortest decimal fraction that a 32-bit float stands for: ONNX keeps attributes such as a
 * momentum of 0.9 as floats, which a double shows as 0.8999999761581421.
 */
export function decimal(value: number): number {
  for (let digits = 1; digits < 9; digits++) {
    const candidate = Number(value.toPrecision(digits));
    if (Math.fround(candidate) === Math.fround(value)) return candidate;
  }
  return value;
}
