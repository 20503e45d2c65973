/** The thread that makes samples ahead of need; started by `pool.ts`, and a module of its own. */
import { messageOf, RavnError } from "../../error.ts";
import { Maker } from "./make.ts";
import type { Answer, Order } from "./messages.ts";

/** The part of a worker's global scope that is used here. */
interface Scope {
  onmessage: ((event: MessageEvent<Order>) => void) | null;
  postMessage(answer: Answer): void;
}

function isScope(scope: object): scope is Scope {
  return "postMessage" in scope;
}

function serve(scope: Scope): void {
  const makers = new Map<number, Maker>();
  scope.onmessage = ({ data: order }) => {
    if (order.type === "stream") {
      makers.set(order.stream, new Maker(order.recipe, order.ring));
      return;
    }
    scope.postMessage(answerTo(makers.get(order.stream), order));
  };
}

function answerTo(maker: Maker | undefined, { id, job }: Extract<Order, { type: "job" }>): Answer {
  try {
    if (maker === undefined) throw new Error("a job came before its stream");
    return { id, skipped: maker.run(job) };
  } catch (thrown) {
    return {
      id,
      message: messageOf(thrown),
      ...(thrown instanceof RavnError ? { exitCode: thrown.exitCode } : {}),
      stack: thrown instanceof Error ? thrown.stack : undefined,
    };
  }
}

if (isScope(globalThis)) serve(globalThis);
