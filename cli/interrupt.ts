import { EXIT } from "../core/error.ts";

/** A signal that asks the program to stop. */
export type StopSignal = "SIGINT" | "SIGTERM";

/** Where signals come from and how a process ends; the process itself, or a test. */
export interface SignalSource {
  add(signal: StopSignal, handler: () => void): void;
  remove(signal: StopSignal, handler: () => void): void;
  /** Ends the process at once. */
  exit(code: number): void;
}

const SIGNALS: readonly StopSignal[] = ["SIGINT", "SIGTERM"];

/**
 * The first SIGINT or SIGTERM aborts `signal`, so that the verb stops cleanly and saves; the second
 * ends the process at once. Both lead to exit code 130. Dispose it to get the default back.
 */
export class Interrupt implements Disposable {
  readonly #controller = new AbortController();
  readonly #source: SignalSource;
  readonly #announce: (message: string) => void;
  readonly #handler = () => this.#onSignal();

  constructor(source: SignalSource, announce: (message: string) => void) {
    this.#source = source;
    this.#announce = announce;
    for (const signal of SIGNALS) source.add(signal, this.#handler);
  }

  /** Aborted by the first signal. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    for (const signal of SIGNALS) this.#source.remove(signal, this.#handler);
  }

  #onSignal(): void {
    if (this.signal.aborted) return this.#source.exit(EXIT.interrupted);
    this.#announce("stopping; press Ctrl-C again to leave at once");
    this.#controller.abort();
  }
}
