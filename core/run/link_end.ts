import { RavnError } from "../error.ts";
import type { Closed } from "../../transport/mod.ts";

/**
 * What the end of a link means for a run that goes on.
 *
 * @param name node and address of the peer
 * @param expected what this side was waiting for
 */
export function endOf(closed: Closed, name: string, expected: string): RavnError {
  switch (closed.kind) {
    case "lost":
      return new RavnError(`${closed.error.message}; expected ${expected}`, { exitCode: 1 });
    case "failed":
      return new RavnError(`${name} ended the run: ${closed.message}`, { exitCode: 1 });
    case "bye":
      return new RavnError(`${name} left before ${expected}`, { exitCode: 1 });
  }
}
