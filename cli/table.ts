/** A column of a table over `Row`. Numbers are grouped and stand on the right. */
export interface Column<Row> {
  readonly title: string;
  readonly value: (row: Row) => string | number | undefined;
}

/** The lines of a table: the titles, then a line a row; an undefined value shows as `–`. */
export function layout<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string[] {
  const values = rows.map((row) => columns.map((column) => column.value(row)));
  const right = columns.map((_, index) =>
    values.some((row) => typeof row[index] === "number") &&
    values.every((row) => typeof row[index] !== "string")
  );
  const cells = [
    columns.map((column) => column.title),
    ...values.map((row) => row.map(textOf)),
  ];
  const widths = columns.map((_, index) => Math.max(...cells.map((row) => widthOf(row[index]!))));
  return cells.map((row) =>
    row.map((cell, index) => {
      const padding = " ".repeat(widths[index]! - widthOf(cell));
      return right[index] ? padding + cell : cell + padding;
    }).join("  ").trimEnd()
  );
}

/** An integer with its thousands apart, as in `1,234,567`. */
export function grouped(value: number): string {
  return value.toLocaleString("en-US", { maximumFractionDigits: 0 });
}

/** A size in bytes as people read it: `1.5 MiB`. */
export function byteSize(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? value.toFixed(0) : value.toFixed(1)} ${units[unit]}`;
}

/** A duration as `m:ss` or `h:mm:ss`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const two = (value: number) => String(value).padStart(2, "0");
  const [hours, minutes, rest] = [
    Math.floor(whole / 3600),
    Math.floor(whole / 60) % 60,
    whole % 60,
  ];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** A shape as `[batch, 1, 8, 8]`. */
export function shapeText(dims: readonly (number | string)[]): string {
  return `[${dims.join(", ")}]`;
}

function textOf(value: string | number | undefined): string {
  if (value === undefined) return "–";
  if (typeof value === "string") return value;
  return Number.isInteger(value) ? grouped(value) : value.toFixed(value < 1 ? 3 : 1);
}

/** Width in characters; tables hold names and numbers, so every code point is one wide. */
function widthOf(text: string): number {
  return [...text].length;
}
