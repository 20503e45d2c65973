import { z } from "zod";
import { readWhole, writeWhole } from "../data/mod.ts";
import { exists } from "./node_data.ts";

const milliseconds = z.number().nonnegative();

const entries = {
  operators: z.strictObject({ forward_ms: milliseconds, backward_ms: milliseconds }),
  steps: z.strictObject({
    step_ms: milliseconds,
    update_ms: milliseconds,
    core_ms: milliseconds,
  }),
  contention: z.strictObject({ factor: z.number().min(1) }),
  cut: z.strictObject({ factor: z.number().min(1) }),
  machine: z.strictObject({
    micro_batch_ms: milliseconds,
    wake_ms: milliseconds,
    report_ms: milliseconds,
    message_ms: milliseconds,
    message_mib_ms: milliseconds,
    local: z.strictObject({ bandwidth_mbps: z.number().positive(), latency_ms: milliseconds }),
    update_million_ms: milliseconds,
  }),
};

/** What `node_data/calibration.json` keeps: everything by what it depends on. */
const schema = z.strictObject({
  operators: z.record(z.string(), entries.operators),
  steps: z.record(z.string(), entries.steps),
  contention: z.record(z.string(), entries.contention),
  cut: z.record(z.string(), entries.cut),
  machine: z.record(z.string(), entries.machine),
});

type Kind = keyof typeof entries;
type Entry = { [K in Kind]: z.output<typeof entries[K]> };
type Contents = { [K in Kind]: Record<string, Entry[K]> };

/** Times that were measured before, and those that are new. */
export class CalibrationFile {
  readonly #file: string | undefined;
  readonly #contents: Contents;
  #isChanged = false;

  private constructor(file: string | undefined, contents: Contents) {
    this.#file = file;
    this.#contents = contents;
  }

  /**
   * Opens a file; one that is missing or damaged counts as empty, for it can be made again.
   *
   * @param file absent: nothing is read or kept
   */
  static async open(file: string | undefined): Promise<CalibrationFile> {
    const empty = { operators: {}, steps: {}, contention: {}, cut: {}, machine: {} };
    if (file === undefined || !await exists(file)) return new CalibrationFile(file, empty);
    try {
      const value: unknown = JSON.parse(new TextDecoder().decode(await readWhole(file)));
      return new CalibrationFile(file, schema.parse(value));
    } catch {
      return new CalibrationFile(file, empty);
    }
  }

  /** What is kept under a key, or what `measure` finds, which is kept then. */
  async get<K extends Kind>(
    kind: K,
    key: string,
    measure: () => Promise<Entry[K]>,
  ): Promise<Entry[K]> {
    const kept: Record<string, Entry[K]> = this.#contents[kind];
    if (Object.hasOwn(kept, key)) return kept[key]!;
    this.#isChanged = true;
    return kept[key] = await measure();
  }

  /** Writes what is new. */
  async save(): Promise<void> {
    if (this.#file === undefined || !this.#isChanged) return;
    await writeWhole(this.#file, `${JSON.stringify(this.#contents, null, 1)}\n`);
  }
}
