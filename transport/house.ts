import type { RavnError } from "../core/error.ts";
import { dial, type DialOptions } from "./dial.ts";
import type { Limits } from "./limits.ts";
import type { Link } from "./link.ts";
import { listen, type Listener, type Sockets } from "./listen.ts";
import type { SharedMemory } from "./local_conn.ts";
import type { Session } from "./session.ts";

const TOKEN = "5d0f3c2e9a7b4186";
/** Whether this system has Unix sockets. */
export const hasUnix = Deno.build.os !== "windows";

/** A node of the run that all tests here share. */
export function session(nodeId: string, port = 0, changes: Partial<Session> = {}): Session {
  const self = { nodeId, address: `127.0.0.1:${port}` };
  return { self, token: TOKEN, runHash: "00ff", ...changes };
}

/** For tests: a listener of node_1, the links that came in, and whom it refused. */
export class House {
  readonly links: Link[] = [];
  readonly refused: RavnError[] = [];
  #waiting: (() => void)[] = [];

  private constructor(readonly listener: Listener) {}

  static async open(
    o: {
      port?: number;
      sockets?: Sockets;
      limits?: Partial<Limits>;
      session?: Partial<Session>;
      memory?: SharedMemory;
    } = {},
  ): Promise<House> {
    let house: House | undefined = undefined;
    const listener = await listen({
      session: session("node_1", 0, o.session),
      host: "127.0.0.1",
      port: o.port ?? 0,
      sockets: o.sockets ?? "auto",
      limits: o.limits ?? {},
      ...(o.memory === undefined ? {} : { memory: o.memory }),
      onLink: (link) => house?.keep(() => house?.links.push(link)),
      onRefused: (reason) => house?.keep(() => house?.refused.push(reason)),
    });
    return house = new House(listener);
  }

  keep(add: () => void): void {
    add();
    for (const wake of this.#waiting.splice(0)) wake();
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  dial(changes: Partial<DialOptions> = {}): Promise<Link> {
    return dial({
      session: session("node_0"),
      peer: { nodeId: "node_1", address: this.listener.address },
      deadline_ms: 3000,
      ...changes,
    });
  }
}
