import type { LinkBytes, RunEvent, RunHost } from "./events.ts";
import { appendMetrics } from "./metrics_files.ts";
import { NodeData } from "./node_data.ts";

/** Clusters as the plan has them, with the names of their nodes in the order of the stages. */
interface Clusters {
  readonly clusters: readonly {
    readonly id: number;
    readonly stages: readonly { readonly name: string }[];
  }[];
}

/**
 * Gathers what each provider says that it has sent, and tells it as one event at the end. The last
 * stage of each cluster writes its own into the cluster's metrics; the rest is added to them here.
 */
export class PlanTraffic {
  readonly #links: LinkBytes[] = [];

  /** The same host, without the events of single providers. */
  gather(host: RunHost): RunHost {
    const emit = (event: RunEvent) => {
      if (event.event === "traffic") this.#links.push(...event.links);
      else host.emit(event);
    };
    return { ...host, emit };
  }

  /** Tells the whole of it, in the order of the stages. */
  async tell({ clusters }: Clusters, home: string, host: RunHost): Promise<void> {
    const all: LinkBytes[] = [];
    for (const { id, stages } of clusters) {
      const of = stages.map(({ name }) => this.#links.filter(({ from }) => from === name));
      const others = of.slice(0, -1).flat();
      all.push(...of.flat());
      if (others.length === 0) continue;
      const folder = id === 0 ? home : new NodeData(home).cluster(id);
      await appendMetrics(folder, "events", JSON.stringify(trafficEvent(others)));
    }
    if (all.length > 0) host.emit(trafficEvent(all));
  }
}

function trafficEvent(links: readonly LinkBytes[]): RunEvent {
  return { event: "traffic", links };
}
