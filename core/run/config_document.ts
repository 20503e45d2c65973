import { isAlias, isMap, isNode, isScalar, isSeq, LineCounter, parse, parseDocument } from "yaml";
import type { Document, Node } from "yaml";
import { RavnError } from "../error.ts";

/** A key to replace, and its new value as YAML: `["optimizer.lr", "0.01"]`. */
export type Override = readonly [key: string, value: string];

/** Path of a key: names, and indices of lists. */
export type KeyPath = readonly PropertyKey[];

/** Types that a bare key stands for when only an option of it is replaced. */
const SHORT_DEFAULTS: Readonly<Record<string, string>> = {
  loss: "mse",
  optimizer: "adam",
  lr_schedule: "constant",
};

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A YAML file as plain data that remembers where each key stands. */
export class ConfigDocument {
  /** Name of the file, for messages. */
  readonly file: string;
  /** The plain data, overrides applied. */
  readonly data: Record<string, unknown>;
  readonly #document: Document;
  readonly #lines = new LineCounter();
  readonly #overrides: { readonly path: readonly string[]; readonly text: string }[] = [];

  /** @throws {RavnError} with the line, when `text` is no YAML map of keys. */
  constructor(text: string, file: string, overrides: readonly Override[]) {
    this.file = file;
    this.#document = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false });
    const [error] = this.#document.errors;
    if (error !== undefined) {
      const { line } = this.#lines.linePos(error.pos[0]);
      const [what] = error.message.split("\n");
      throw new RavnError(`${file}:${line}: is no valid YAML: ${what}`);
    }
    const data: unknown = this.#toData();
    if (!isRecord(data)) {
      throw new RavnError(`${file}:1: expected keys such as "model: model.onnx"; see ravn init`);
    }
    this.data = data;
    for (const override of overrides) this.#apply(override);
  }

  /** Where a key stands: `file:line`, or the override that set it. */
  where(path: KeyPath): string {
    const set = this.#overrides.findLast((override) =>
      override.path.length <= path.length &&
      override.path.every((name, i) => name === String(path[i]))
    );
    if (set !== undefined) return `--set ${set.text}`;
    const offset = this.#offsetOf(path);
    return `${this.file}:${offset === undefined ? 1 : this.#lines.linePos(offset).line}`;
  }

  /** The value at a path, or undefined. */
  valueAt(path: KeyPath): unknown {
    let value: unknown = this.data;
    for (const name of path) {
      if (Array.isArray(value)) value = value[Number(name)];
      else value = isRecord(value) ? value[String(name)] : undefined;
    }
    return value;
  }

  #toData(): unknown {
    try {
      return this.#document.toJS({ maxAliasCount: 100 });
    } catch (thrown) {
      throw new RavnError(`${this.file}: has too many or unknown aliases`, { cause: thrown });
    }
  }

  /** Offset in the text of the deepest part of a path that is there. */
  #offsetOf(path: KeyPath): number | undefined {
    let node: unknown = this.#document.contents;
    let offset: number | undefined;
    for (const name of path) {
      if (isAlias(node)) node = node.resolve(this.#document);
      if (isMap(node)) {
        const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === name);
        if (pair === undefined) break;
        offset = startOf(pair.key) ?? offset;
        node = pair.value;
      } else if (isSeq(node)) {
        node = node.items[Number(name)];
        offset = startOf(node) ?? offset;
      } else break;
    }
    return offset;
  }

  #apply([key, value]: Override): void {
    const text = `${key}=${value}`;
    const path = key.split(".");
    let replaced: unknown;
    try {
      replaced = parse(value);
    } catch (thrown) {
      throw new RavnError(`--set ${text}: "${value}" is no valid YAML value`, { cause: thrown });
    }
    let parent = this.data;
    for (const name of path.slice(0, -1)) {
      const short = Object.hasOwn(parent, name) ? parent[name] : SHORT_DEFAULTS[name];
      const next = isRecord(short) ? short : typeof short === "string" ? { type: short } : {};
      define(parent, name, next);
      parent = next;
    }
    define(parent, path.at(-1)!, replaced);
    this.#overrides.push({ path, text });
  }
}

/** Sets an own property whatever its name, `__proto__` too. */
function define(record: Record<string, unknown>, name: string, value: unknown): void {
  Object.defineProperty(record, name, {
    value,
    writable: true,
    enumerable: true,
    configurable: true,
  });
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? (node as Node).range?.[0] : undefined;
}
