import { dirname } from "node:path";

const TOKEN_DIGITS = 64;

/**
 * A file that holds the secret of a run, and that one process at a time may have: so nodes of one
 * machine find the same secret, and do not measure at the same time.
 */
export class TokenFile implements Disposable {
  readonly #file: Deno.FsFile;

  private constructor(file: Deno.FsFile) {
    this.#file = file;
  }

  /** Opens the file, or makes it; only its owner may read it. */
  static async open(path: string): Promise<TokenFile> {
    await Deno.mkdir(dirname(path), { recursive: true });
    const options = { read: true, write: true, create: true, mode: 0o600 };
    return new TokenFile(await Deno.open(path, options));
  }

  /** Does something while no other process has the file. */
  async alone<T>(work: () => Promise<T>): Promise<T> {
    await this.#file.lock(true);
    try {
      return await work();
    } finally {
      await this.#file.unlock();
    }
  }

  /** The secret, made where there is none yet. */
  async token(): Promise<string> {
    await this.#file.seek(0, Deno.SeekMode.Start);
    const kept = new TextDecoder().decode(await this.#read());
    if (/^[0-9a-f]{64}$/.test(kept)) return kept;
    const token = crypto.getRandomValues(new Uint8Array(32)).toHex();
    await this.#file.truncate(0);
    await this.#file.seek(0, Deno.SeekMode.Start);
    await this.#file.write(new TextEncoder().encode(token));
    return token;
  }

  /** As much of the file as a token has. */
  async #read(): Promise<Uint8Array> {
    const bytes = new Uint8Array(TOKEN_DIGITS);
    let length = 0;
    while (length < bytes.length) {
      const read = await this.#file.read(bytes.subarray(length));
      if (read === null) break;
      length += read;
    }
    return bytes.subarray(0, length);
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}
