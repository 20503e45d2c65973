import { RavnError } from "../error.ts";

/**
 * Which of the labels of a data set a loss takes: those it names, or the only ones.
 *
 * @param columns names of the labels, at least one; `""` for a file that was given alone
 * @throws {RavnError} naming the labels that there are
 */
export function labelColumn(
  columns: readonly string[],
  loss: string,
  named: string | undefined,
): string {
  const [only, ...others] = columns;
  if (only === "" || (named === undefined && others.length === 0)) return only!;
  if (named !== undefined && columns.includes(named)) return named;
  const known = columns.map((column) => `"${column}"`).join(", ");
  throw new RavnError(
    named === undefined
      ? `loss ${loss}: expected labels: name, one of the data's ${known}`
      : `loss ${loss}: the data have no labels "${named}"; expected one of ${known}`,
  );
}
