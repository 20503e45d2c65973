import { fileURLToPath } from "node:url";

/** Names the Python that peers run in; it should have torch. */
const PYTHON_VARIABLE = "RAVN_BENCH_PYTHON";

/** A Python program that measures on request; see `peer.py`. */
export class Peer implements AsyncDisposable {
  /** What it says it measures, e.g. `"PyTorch 1.13 Adam (foreach)"`. */
  readonly name: string;
  readonly #process: Deno.ChildProcess;
  readonly #requests: WritableStreamDefaultWriter<Uint8Array>;
  readonly #answers: AsyncIterator<string>;

  private constructor(
    name: string,
    process: Deno.ChildProcess,
    answers: AsyncIterator<string>,
  ) {
    this.name = name;
    this.#process = process;
    this.#requests = process.stdin.getWriter();
    this.#answers = answers;
  }

  /**
   * Starts a peer in the first Python that has what it needs.
   *
   * @param script the program, which calls `serve` of `peer.py`
   * @returns the peer, or why there is none
   */
  static async start(
    script: URL,
    parameters: readonly (string | number)[],
  ): Promise<Peer | { readonly skipped: string }> {
    const named = Deno.env.get(PYTHON_VARIABLE);
    const pythons = named === undefined ? ["python3", "/usr/bin/python3"] : [named];
    for (const python of pythons) {
      const peer = await Peer.#tryStart(python, script, parameters);
      if (peer !== undefined) return peer;
    }
    return {
      skipped: `no torch in ${pythons.join(", ")}; ${PYTHON_VARIABLE} names a Python that has it`,
    };
  }

  static async #tryStart(
    python: string,
    script: URL,
    parameters: readonly (string | number)[],
  ): Promise<Peer | undefined> {
    let process: Deno.ChildProcess;
    try {
      process = new Deno.Command(python, {
        args: ["-B", fileURLToPath(script), ...parameters.map(String)],
        stdin: "piped",
        stdout: "piped",
        stderr: "null",
      }).spawn();
    } catch {
      return undefined;
    }
    const answers = linesOf(process.stdout);
    const ready = await answers.next();
    const name = ready.done ? undefined : /^ready (.*)$/.exec(ready.value)?.[1];
    if (name !== undefined) return new Peer(name, process, answers);
    await process.stdin.abort().catch(() => {});
    await process.status;
    return undefined;
  }

  /** One measurement, in milliseconds. @throws {Error} when the peer has ended. */
  async run(): Promise<number> {
    await this.#requests.write(new TextEncoder().encode("run\n"));
    const answer = await this.#answers.next();
    if (answer.done) throw new Error(`${this.name} ended`);
    return Number(answer.value);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#requests.close();
    await this.#process.status;
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}
