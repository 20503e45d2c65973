/**
 * A thread that trains while another one is timed: it is given what to train, says when it is warm,
 * and goes on until it is told to leave.
 */
import { messageOf } from "../error.ts";
import { Runtime } from "../runtime/mod.ts";
import type { OptimizerConfig, StageProgram } from "../training/mod.ts";
import { timeTraining } from "./time_training.ts";

/** What a contender is told to do. */
export interface ContenderOrder {
  /** Path of the library that the process has loaded. */
  readonly library: string;
  readonly program: StageProgram;
  readonly optimizer: OptimizerConfig;
}

/** What a contender tells: that it is warm, or what went wrong. */
export type ContenderNews =
  | { readonly type: "warm" }
  | { readonly type: "failed"; readonly message: string };

/** More than anybody waits for. */
const UPDATES = 2 ** 30;

const leaving = new AbortController();

function tell(news: ContenderNews): void {
  self.postMessage(news);
}

self.addEventListener("message", async ({ data }: MessageEvent<ContenderOrder | "leave">) => {
  if (data === "leave") return leaving.abort();
  const { library, ...training } = data;
  try {
    using runtime = Runtime.open({ library });
    await timeTraining({
      ...training,
      runtime: runtime.oneThread(),
      updates: UPDATES,
      warm: () => tell({ type: "warm" }),
      signal: leaving.signal,
    });
  } catch (thrown) {
    if (!leaving.signal.aborted) tell({ type: "failed", message: messageOf(thrown) });
  }
  // Ended from outside, in the middle of a run, it would end the process.
  self.close();
});
