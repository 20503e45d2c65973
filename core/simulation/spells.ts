/** A time in which something is slower than it should be. */
export interface Spell {
  readonly begin_ms: number;
  readonly end_ms: number;
  /** How many times slower; Infinity where it stands still. */
  readonly factor: number;
}

/** How many times slower something is at a time: spells that overlap multiply. */
export function slownessAt(spells: readonly Spell[], time_ms: number): number {
  let factor = 1;
  for (const spell of spells) {
    if (spell.begin_ms <= time_ms && time_ms < spell.end_ms) factor *= spell.factor;
  }
  return factor;
}

/** The first time after `time_ms` at which a spell begins or ends; Infinity where none does. */
export function nextChange(spells: readonly Spell[], time_ms: number): number {
  let next = Infinity;
  for (const { begin_ms, end_ms } of spells) {
    if (begin_ms > time_ms) next = Math.min(next, begin_ms);
    else if (end_ms > time_ms) next = Math.min(next, end_ms);
  }
  return next;
}

/** When something that takes `work_ms` without spells is done. */
export function finishTime(spells: readonly Spell[], start_ms: number, work_ms: number): number {
  let time = start_ms;
  let left = work_ms;
  while (left > 0 && time < Infinity) {
    const factor = slownessAt(spells, time);
    const change = nextChange(spells, time);
    const finish = time + left * factor;
    if (finish <= change) return finish;
    left -= (change - time) / factor;
    time = change;
  }
  return time;
}
