import { OPSETS, signatureOf } from "../../onnx/mod.ts";
import type { Rule, RuleEntry } from "../rule.ts";
import type { OperatorGroup } from "./operators.ts";

/** What happens to gradients at an operator, over a range of versions of its operator set. */
export interface OperatorInfo {
  readonly op: string;
  /** `""` is ONNX's default domain. */
  readonly domain: string;
  /** `"zero"`: no gradient flows. `"refused"`: an error on the path of a gradient. */
  readonly kind: "differentiable" | "zero" | "refused";
  /** First version of the operator set that is meant. */
  readonly since: number;
  /** Last version, where it is not the newest that ravn reads. */
  readonly until?: number;
  /** Why no gradient flows, or why it is refused. */
  readonly reason?: string;
}

/** One operator with its class: what the tables say of it, at whatever version. */
type Listed = Omit<OperatorInfo, "since" | "until"> & { readonly rules: RuleEntry };

const ZERO: RuleEntry = [{ kind: "zero", since: 1 }];

/** The name by which tables know an operator: its domain in front, but for ONNX's default one. */
export function fullName(op: string, domain: string): string {
  return domain === "" || domain === "ai.onnx" ? op : `${domain}.${op}`;
}

/** The class of every operator: it has rules, passes no gradient on, or is refused. */
export class Registry {
  readonly #listed = new Map<string, Listed>();

  /** @throws {Error} where an operator is listed twice. */
  constructor(
    rules: Readonly<Record<string, RuleEntry>>,
    zero: readonly OperatorGroup[],
    refused: readonly OperatorGroup[],
  ) {
    for (const [name, entry] of Object.entries(rules)) {
      const end = name.lastIndexOf(".");
      const [op, domain] = [name.slice(end + 1), name.slice(0, Math.max(0, end))];
      this.#list({ op, domain, kind: "differentiable", rules: entry });
    }
    for (const { operators, domain, reason } of zero) {
      for (const op of operators) this.#list({ op, domain, kind: "zero", reason, rules: ZERO });
    }
    for (const { operators, domain, reason } of refused) {
      for (const op of operators) this.#list({ op, domain, kind: "refused", reason, rules: [] });
    }
  }

  #list(listed: Listed): void {
    const name = fullName(listed.op, listed.domain);
    const known = this.#listed.get(name);
    if (known !== undefined) {
      throw new Error(`${name} is listed twice: as ${known.kind} and as ${listed.kind}`);
    }
    this.#listed.set(name, listed);
  }

  /** The rule of an operator at a version of its operator set; undefined where it is refused. */
  ruleFor(op: string, domain: string, opset: number): Rule | undefined {
    return this.#listed.get(fullName(op, domain))?.rules
      .find(({ since, until = Infinity }) => since <= opset && opset <= until);
  }

  /** Why an operator that has no rule is refused. */
  refusalReason(op: string, domain: string, opset: number): string {
    const listed = this.#listed.get(fullName(op, domain));
    if (listed === undefined) return "the operator is unknown";
    return listed.reason ?? otherOpsets(listed.rules, opset);
  }

  /** All operators, by domain and name; one with gaps has an entry for each range of versions. */
  operators(): OperatorInfo[] {
    const order = ({ domain, op }: Listed) => `${domain} ${op}`;
    return [...this.#listed.values()]
      .toSorted((a, b) => order(a) < order(b) ? -1 : 1)
      .flatMap((listed) => this.#ranges(listed));
  }

  #ranges(listed: Listed): OperatorInfo[] {
    const { op, domain } = listed;
    const newest = domain === "" ? OPSETS.newest : 1;
    const ranges: { -readonly [Key in keyof OperatorInfo]: OperatorInfo[Key] }[] = [];
    for (let opset = domain === "" ? OPSETS.oldest : 1; opset <= newest; opset++) {
      if (signatureOf(domain, op, opset) === undefined) continue;
      const kind = this.ruleFor(op, domain, opset)?.kind ?? "refused";
      const last = ranges.at(-1);
      if (last !== undefined && last.until === opset - 1 && last.kind === kind) {
        last.until = opset;
        continue;
      }
      const reason = listed.reason ??
        (kind === "refused" ? otherOpsets(listed.rules, opset) : undefined);
      const why = reason === undefined ? {} : { reason };
      ranges.push({ op, domain, kind, since: opset, until: opset, ...why });
    }
    for (const range of ranges) if (range.until === newest) delete range.until;
    return ranges;
  }
}

/** The reason for refusing an operator whose rules hold for other versions. */
function otherOpsets(rules: RuleEntry, opset: number): string {
  const later = rules.filter(({ since }) => since > opset).map(({ since }) => since);
  return later.length > 0
    ? `its gradient is known from opset ${Math.min(...later)} on: export with that one or a later`
    : "its gradient is known for older opsets only: export with an older one";
}
