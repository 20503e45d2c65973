import type { LinkBytes, RunEvent, RunHost } from "./events.ts";

/** Clusters as the plan has them, with the names of their nodes in the order of the stages. */
interface Clusters {
  readonly clusters: readonly {
    readonly stages: readonly { readonly name: string }[];
  }[];
}

/** Gathers what each provider says that it has sent, and tells it as one event at the end. */
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
  tell({ clusters }: Clusters, host: RunHost): void {
    const links = clusters.flatMap(({ stages }) => stages).flatMap(({ name }) =>
      this.#links.filter(({ from }) => from === name)
    );
    if (links.length > 0) host.emit({ event: "traffic", links });
  }
}
