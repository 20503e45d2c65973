import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** What the shipped file needs, and what its users' shells do. */
const TOOLS = ["sh", "tail", "gzip", "tar", "mktemp", "mkdir", "mv", "rm", "ls"];

/** How a command on a machine ended. */
export interface Ending {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/**
 * A folder to work in, an empty home, and a PATH with a few tools and a given `ravn`: as good as a
 * machine on which neither deno nor node was ever installed.
 */
export class Machine implements AsyncDisposable {
  private constructor(readonly root: string) {}

  /** @param ravn path of the shipped file */
  static async make(ravn: string): Promise<Machine> {
    const machine = new Machine(await Deno.makeTempDir({ prefix: "ravn-machine-" }));
    for (const folder of ["bin", "home", "work"]) await Deno.mkdir(join(machine.root, folder));
    const places = (Deno.env.get("PATH") ?? "").split(":");
    for (const tool of TOOLS) {
      const found = places.map((place) => join(place, tool)).find(isFile);
      if (found === undefined) throw new Error(`this test needs ${tool} on the PATH`);
      await Deno.symlink(found, join(machine.root, "bin", tool));
    }
    await Deno.symlink(ravn, join(machine.root, "bin", "ravn"));
    return machine;
  }

  /** Folder that commands are started in. */
  get folder(): string {
    return join(this.root, "work");
  }

  /** Runs `ravn` through the shell, as a user would. */
  async run(words: readonly string[]): Promise<Ending> {
    const { code, stdout, stderr } = await new Deno.Command(join(this.root, "bin", "sh"), {
      args: ["-c", 'exec ravn "$@"', "sh", ...words],
      cwd: this.folder,
      clearEnv: true,
      env: { HOME: join(this.root, "home"), PATH: join(this.root, "bin") },
    }).output();
    const decoder = new TextDecoder();
    return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
  }

  /** How many of these programs the machine's shell does not find. */
  async missing(programs: readonly string[]): Promise<number> {
    let missing = 0;
    for (const program of programs) {
      const { success } = await new Deno.Command(join(this.root, "bin", "sh"), {
        args: ["-c", `command -v ${program}`],
        clearEnv: true,
        env: { PATH: join(this.root, "bin") },
        stdout: "null",
      }).output();
      if (!success) missing++;
    }
    return missing;
  }

  /** Writes a file in the folder; its own folder must exist. */
  write(file: string, text: string): Promise<void> {
    return Deno.writeTextFile(join(this.folder, file), text);
  }

  /** Copies the files of a folder, named from here, whose names fit. */
  async bring(folder: string, names: RegExp): Promise<void> {
    const source = fileURLToPath(new URL(folder, import.meta.url));
    for await (const { name } of Deno.readDir(source)) {
      if (names.test(name)) await Deno.copyFile(join(source, name), join(this.folder, name));
    }
  }

  /** Ports of this host that nobody listens on at this moment. */
  freePorts(count: number): number[] {
    const listeners = Array.from(
      { length: count },
      () => Deno.listen({ hostname: "127.0.0.1", port: 0 }),
    );
    const ports = listeners.map((listener) => listener.addr.port);
    for (const listener of listeners) listener.close();
    return ports;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.root, { recursive: true });
  }
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
