/** A node of a cluster and the trainable parameters of its stage, in the order of the model. */
export interface RingMember {
  readonly address: string;
  readonly parameters: readonly string[];
}

/** The parameters that one ring averages over all clusters. */
export interface Ring {
  readonly ring: number;
  readonly parameters: readonly string[];
}

/** A node's place in the rings. */
export interface RingPlace {
  /** First of the node's parameters in each ring that it takes part in. */
  readonly ring_ids: Readonly<Record<number, string>>;
  /** Addresses in the next cluster, each with the first of this node's parameters that it holds. */
  readonly address_to_param: Readonly<Record<string, string>>;
}

/** The rings of a plan, and every node's place by cluster and stage. */
export interface Rings {
  readonly rings: readonly Ring[];
  readonly places: readonly (readonly RingPlace[])[];
}

/** The first parameter of each key, in the order of `parameters`. */
function firstByKey<K extends string | number>(
  parameters: readonly string[],
  keyOf: (parameter: string) => K,
): Record<K, string> {
  const first = new Map<K, string>();
  for (const parameter of parameters) {
    const key = keyOf(parameter);
    if (!first.has(key)) first.set(key, parameter);
  }
  return Object.fromEntries(first) as Record<K, string>;
}

function lookUp<T>(owners: ReadonlyMap<string, T>, parameter: string): T {
  const owner = owners.get(parameter);
  if (owner === undefined) throw new Error(`no stage of a cluster holds "${parameter}"`);
  return owner;
}

/**
 * Lays the rings of the parallel multi-ring all-reduce (Ravnest). The largest cluster (the first of
 * several) has one ring for each stage: ring r holds the trainable parameters of its stage r. A
 * node of another cluster takes part in every ring of which it holds parameters, and sends each of
 * them to the node of the next cluster, in a circle, that holds it.
 *
 * @param clusters the stages of each cluster, in order; every cluster holds the same parameters
 * @throws {Error} where a parameter is missing from a cluster
 */
export function layRings(clusters: readonly (readonly RingMember[])[]): Rings {
  const largest = clusters.reduce((a, b) => b.length > a.length ? b : a);
  const rings = largest.map(({ parameters }, ring) => ({ ring, parameters }));
  const ringOf = new Map(rings.flatMap(({ ring, parameters }) => parameters.map((p) => [p, ring])));
  const ownersOf = (cluster: readonly RingMember[]) =>
    new Map(cluster.flatMap(({ address, parameters }) => parameters.map((p) => [p, address])));
  const places = clusters.map((cluster, c) => {
    const next = ownersOf(clusters[(c + 1) % clusters.length]!);
    return cluster.map(({ parameters }) => ({
      ring_ids: firstByKey(parameters, (parameter) => lookUp(ringOf, parameter)),
      address_to_param: firstByKey(parameters, (parameter) => lookUp(next, parameter)),
    }));
  });
  return { rings, places };
}
