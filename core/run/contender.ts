/**
 * A thread that trains while another one is timed: it is given what to train, says when it is warm,
 * and how long its steps took.
 */
import { messageOf } from "../error.ts";
import { cancelRuns, Runtime } from "../runtime/mod.ts";
import type { OptimizerConfig, StageProgram } from "../training/mod.ts";
import { timeTraining } from "./time_training.ts";
import type { TrainingTime } from "./time_training.ts";

/** What a contender is told to do. */
export interface ContenderOrder {
  /** Path of the library that the process has loaded. */
  readonly library: string;
  readonly program: StageProgram;
  readonly optimizer: OptimizerConfig;
  readonly updates: number;
}

/** What a contender tells: that its steps count from now on, their times, or what went wrong. */
export type ContenderNews =
  | { readonly type: "warm" }
  | { readonly type: "done"; readonly time: TrainingTime }
  | { readonly type: "failed"; readonly message: string };

function tell(news: ContenderNews): void {
  self.postMessage(news);
}

self.addEventListener("message", async ({ data }: MessageEvent<ContenderOrder | "leave">) => {
  if (data === "leave") {
    await cancelRuns();
    return self.close();
  }
  const { library, program, optimizer, updates } = data;
  try {
    using pooled = Runtime.open({ library });
    const runtime = pooled.oneThread();
    const warm = () => tell({ type: "warm" });
    const time = await timeTraining({ runtime, program, optimizer, updates, warm });
    tell({ type: "done", time });
  } catch (thrown) {
    tell({ type: "failed", message: messageOf(thrown) });
  }
});
