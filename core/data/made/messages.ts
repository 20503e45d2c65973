import type { Job } from "./make.ts";
import type { Recipe } from "./recipe.ts";
import type { Ring } from "./ring.ts";

/** What a worker thread is told. */
export type Order =
  /** From now on stream `stream` is made by this recipe into this ring. */
  | {
    readonly type: "stream";
    readonly stream: number;
    readonly recipe: Recipe;
    readonly ring: Ring;
  }
  | { readonly type: "job"; readonly stream: number; readonly id: number; readonly job: Job };

/** What a worker thread answers to a job. */
export type Answer =
  | { readonly id: number; readonly skipped: readonly string[] }
  | {
    readonly id: number;
    readonly message: string;
    /** Exit code of a failure that the user can mend; absent where the code is at fault. */
    readonly exitCode?: number;
    readonly stack?: string | undefined;
  };
