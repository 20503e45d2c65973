import { InvalidArgumentError } from "commander";
import type { Fault, Spell } from "../core/simulation/mod.ts";

/** `4x`, and maybe `@10-20`: times slower, from and to a second. */
const SPELL = /^(\d+(?:\.\d+)?x|off)(?:@(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?))?$/;

function spell(text: string): Spell | undefined {
  const [, factor, from, to] = SPELL.exec(text) ?? [];
  if (factor === undefined) return undefined;
  const times = factor === "off" ? Infinity : Number(factor.slice(0, -1));
  const begin_ms = from === undefined ? 0 : Number(from) * 1000;
  const end_ms = to === undefined ? Infinity : Number(to) * 1000;
  // What stands still for ever would never end.
  if (!(times > 0) || begin_ms >= end_ms || (times === Infinity && end_ms === Infinity)) {
    return undefined;
  }
  return { begin_ms, end_ms, factor: times };
}

/** Collects `--slow node_3:4x` and `--slow node_3:4x@10-20`. */
export function slowNode(text: string, previous: readonly Fault[] = []): readonly Fault[] {
  const at = text.lastIndexOf(":");
  const slow = spell(text.slice(at + 1));
  if (at < 1 || slow === undefined || slow.factor === Infinity) {
    throw new InvalidArgumentError("Expected node:times, as node_3:4x, or node_3:4x@2-4.");
  }
  return [...previous, { type: "slow", node: text.slice(0, at), ...slow }];
}

/** Collects `--slow-link node_1/node_2:10x@5-8` and `--slow-link node_1/node_2:off@5-8`. */
export function slowLink(text: string, previous: readonly Fault[] = []): readonly Fault[] {
  const [, from, to, rest] = /^([^/:]+)\/([^/:]+):(.+)$/.exec(text) ?? [];
  const slow = rest === undefined ? undefined : spell(rest);
  if (from === undefined || to === undefined || slow === undefined) {
    throw new InvalidArgumentError(
      "Expected node/node:times, as node_1/node_2:10x, or node_1/node_2:off@5-8.",
    );
  }
  return [...previous, { type: "link", nodes: [from, to], ...slow }];
}

/** Collects `--kill node_3@12.5`. */
export function killedNode(text: string, previous: readonly Fault[] = []): readonly Fault[] {
  const [, node, seconds] = /^([^@]+)@(\d+(?:\.\d+)?)$/.exec(text) ?? [];
  if (node === undefined) {
    throw new InvalidArgumentError("Expected node@second, as node_3@12.5.");
  }
  return [...previous, { type: "kill", node, at_ms: Number(seconds) * 1000 }];
}
