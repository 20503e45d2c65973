import { join } from "node:path";
import { messageOf } from "../error.ts";
import type { Plan } from "../planning/mod.ts";
import type { RunEvent, RunHost } from "./events.ts";
import { METRICS_FILES, moveAside } from "./metrics_files.ts";
import { NodeData } from "./node_data.ts";
import { linesOf } from "./provider_process.ts";

/** The part of a plan that says where metrics stand. */
interface Clusters {
  readonly clusters: readonly {
    readonly id: Plan["clusters"][number]["id"];
    readonly stages: readonly { readonly address: string }[];
  }[];
}

/**
 * Brings what the stages of each cluster wrote together, where one process started all of them.
 * While they run each has a file of its own; when they have ended, those of the earlier stages are
 * added to that of the last one, stage by stage.
 */
export class PlanMetrics {
  readonly #clusters: Clusters["clusters"];
  readonly #data: NodeData;
  readonly #begun = new Set<number>();

  private constructor({ clusters }: Clusters, home: string) {
    this.#clusters = clusters;
    this.#data = new NodeData(home);
  }

  /** Before the stages start: moves what earlier runs left in their folders out of the way. */
  static async begin(plan: Clusters, home: string): Promise<PlanMetrics> {
    const metrics = new PlanMetrics(plan, home);
    for (const cluster of plan.clusters) {
      for (const file of metrics.#filesOf(cluster).earlier) await moveAside(file);
    }
    return metrics;
  }

  /** The same host, for a stage of cluster `id`. */
  watch(id: number, host: RunHost): RunHost {
    const emit = (event: RunEvent) => {
      // The last stage has made its file by now: it is not that of an earlier run.
      if (event.event === "begin") this.#begun.add(id);
      host.emit(event);
    };
    return { ...host, emit };
  }

  /** After the stages have ended. Clusters of which the run never began are left as they are. */
  async join({ emit }: RunHost): Promise<void> {
    for (const cluster of this.#clusters) {
      if (!this.#begun.has(cluster.id)) continue;
      const { earlier, last } = this.#filesOf(cluster);
      for (const file of earlier) {
        try {
          await appendLines(file, last);
        } catch (thrown) {
          emit({ event: "warning", message: `${last} lacks ${file}: ${messageOf(thrown)}` });
        }
      }
    }
  }

  #filesOf({ id, stages }: Clusters["clusters"][number]) {
    const { folder } = this.#data;
    const of = (place: string) => join(place, METRICS_FILES.events);
    return {
      earlier: stages.slice(0, -1).map((stage) =>
        of(join(folder, NodeData.stage(id, stage.address)))
      ),
      last: of(id === 0 ? folder : this.#data.cluster(id)),
    };
  }
}

/** Adds the lines of a file, if there is one, to another that nobody else has open any more. */
async function appendLines(from: string, to: string): Promise<void> {
  let source: Deno.FsFile;
  try {
    source = await Deno.open(from);
  } catch (thrown) {
    if (thrown instanceof Deno.errors.NotFound) return;
    throw thrown;
  }
  const lines = linesOf(source.readable).pipeThrough(
    new TransformStream<string, string>({
      transform: (line, controller) => controller.enqueue(`${line}\n`),
    }),
  );
  await Deno.writeTextFile(to, lines, { append: true });
}
