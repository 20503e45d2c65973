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
 * The first SIGINT or SIGTERM aborts `signal`, so that the verb stops cleanly and saves; the same
 * one again ends the process at once. Both lead to exit code 130. One of each is one request: a
 * terminal sends Ctrl-C to the providers of `ravn train` too, which then passes it on as SIGTERM.
 * Dispose it to get the default back.
 */
export class Interrupt implements Disposable {
  readonly #controller = new AbortController();
  readonly #source: SignalSource;
  readonly #announce: (message: string) => void;
  readonly #handlers: readonly (readonly [StopSignal, () => void])[];

  constructor(source: SignalSource, announce: (message: string) => void) {
    this.#source = source;
    this.#announce = announce;
    this.#handlers = SIGNALS.map((signal) => {
      let raised = false;
      return [signal, () => {
        this.#onSignal(raised);
        raised = true;
      }];
    });
    for (const [signal, handler] of this.#handlers) source.add(signal, handler);
  }

  /** Aborted by the first signal. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    for (const [signal, handler] of this.#handlers) this.#source.remove(signal, handler);
  }

  #onSignal(again: boolean): void {
    if (again) return this.#source.exit(EXIT.interrupted);
    if (this.signal.aborted) return;
    this.#announce("stopping; press Ctrl-C again to leave at once");
    this.#controller.abort();
  }
}
