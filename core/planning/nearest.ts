/** Number of insertions, deletions and replacements between two texts (Levenshtein, 1966). */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}

/** The one of `known` (at least one) that is most like `word`, case apart; the first on a tie. */
export function nearest(word: string, known: readonly string[]): string {
  const distance = (other: string) =>
    editDistance(word.slice(0, 64).toLowerCase(), other.toLowerCase());
  return known.reduce((best, other) => distance(other) < distance(best) ? other : best);
}
