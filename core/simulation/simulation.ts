import { partnersOf, piecesOf } from "../collective/mod.ts";
import type { Holder, Piece } from "../collective/mod.ts";
import { Calendar, splitsBackward } from "../pipeline/mod.ts";
import type { StagePosition } from "../pipeline/mod.ts";
import type { ClusterWork } from "../planning/mod.ts";
import { Random } from "../random.ts";
import { bytesOf, holdingsOf, neighboursOf, wayInCluster } from "./cluster_shape.ts";
import { EventQueue } from "./event_queue.ts";
import { CREDIT_BYTES, SILENCE_MS, WAITING_MAX } from "./input.ts";
import type { Fault, SimulationInput, SimulationObserver, Way } from "./input.ts";
import { Connection, SimulatedLink } from "./link.ts";
import type { Message } from "./link.ts";
import { Machine } from "./machine.ts";
import { SimulatedAveraging } from "./simulated_averaging.ts";
import { SimulatedStage } from "./simulated_stage.ts";
import type { StageWorld } from "./simulated_stage.ts";
import type { Spell } from "./spells.ts";
import { StageTimes } from "./stage_times.ts";

/** A node of the simulated network. */
export interface SimulatedNode extends Holder {
  readonly name: string;
  readonly address: string;
  readonly training: SimulatedStage;
  /** Links on which it sends, by the other node. */
  readonly links: Map<SimulatedNode, SimulatedLink>;
  /** Nodes with which it has a link, either way. */
  readonly peers: Set<SimulatedNode>;
  /** Its machine. */
  readonly host: string;
  /** Its own connection to the network, where it is known: what goes out, and what comes in. */
  readonly connection: { readonly out: Connection; readonly into: Connection } | undefined;
  state: "runs" | "killed" | "failed";
}

/** How a run ended early. */
export interface SimulatedLoss {
  /** The node that was lost. */
  readonly node: string;
  readonly address: string;
  /** Who noticed it first, and what it was waiting for. */
  readonly noticed_by: string;
  readonly expected: string;
  readonly why: string;
  /** When it was noticed, and when the last node had ended, ms. */
  readonly at_ms: number;
  readonly ended_ms: number;
}

/** A mean of 1, whatever the deviation: exp(σ z − σ²/2), z normal. */
function noiseOf(random: Random, sigma: number): () => number {
  return sigma === 0 ? () => 1 : () => Math.exp(sigma * random.normal() - sigma * sigma / 2);
}

/** All nodes, machines and links of a run on virtual time. */
export class Simulation {
  readonly queue = new EventQueue();
  readonly calendar: Calendar;
  /** By cluster and stage. */
  readonly nodes: readonly (readonly SimulatedNode[])[];
  readonly #input: SimulationInput;
  readonly #observer: SimulationObserver;
  readonly #random: Random;
  readonly #machines = new Map<string, Machine>();
  readonly #pieces: readonly Piece[];
  #loss: SimulatedLoss | undefined;
  /** When the last stage was done, or the last node had failed. */
  ended_ms = 0;

  /** @throws {Error} where clusters do not hold the same parameters */
  constructor(input: SimulationInput, observer: SimulationObserver = {}) {
    this.#input = input;
    this.#observer = observer;
    this.#random = new Random(input.seed);
    this.calendar = new Calendar(input.shape);
    const averages = input.clusters.length > 1 && input.shape.reduce_every !== undefined;
    this.#pieces = averages ? piecesOf(holdingsOf(input)) : [];
    this.nodes = input.clusters.map((_, cluster) => this.#cluster(cluster));
    if (averages) { for (const node of this.nodes.flat()) this.#joinRings(node); }
    for (const fault of input.faults ?? []) this.#plan(fault);
  }

  /** How the run ended early, if it did. */
  get loss(): SimulatedLoss | undefined {
    return this.#loss && { ...this.#loss, ended_ms: this.ended_ms };
  }

  /**
   * Lets everything happen.
   *
   * @throws {Error} where nothing happens any more, and a stage has neither done all nor failed
   */
  run(): void {
    for (const [root] of this.nodes) root!.training.begin();
    this.queue.run();
    const stuck = this.nodes.flat().find(({ state, training }) =>
      state === "runs" && !training.finished
    );
    if (stuck === undefined) return;
    throw new Error(
      `the simulation has come to a standstill: ${stuck.name} waits for ${stuck.training.expects}`,
    );
  }

  #cluster(cluster: number): SimulatedNode[] {
    const { work, addresses } = this.#input.clusters[cluster]!;
    const nodes: SimulatedNode[] = [];
    work.stages.forEach(({ node: name, host, connection_mbps: mbps }, stage) => {
      const of = { cluster, stage };
      const world = this.#world(of, () => nodes);
      const training = new SimulatedStage({
        position: this.#position(work, stage),
        neighbours: neighboursOf(work, stage),
        calendar: this.calendar,
        world,
      });
      nodes.push({
        ...of,
        name,
        address: addresses[stage]!,
        training,
        links: new Map(),
        peers: new Set(),
        host,
        connection: mbps === undefined
          ? undefined
          : { out: new Connection(mbps), into: new Connection(mbps) },
        state: "runs",
      });
    });
    for (const { from, to, ...way } of work.links) {
      this.#link(nodes[from]!, nodes[to]!, way, WAITING_MAX);
    }
    for (const { from, to, ...way } of work.links) {
      // Where no gradient goes back, a message does all the same.
      if (!nodes[to]!.links.has(nodes[from]!)) {
        this.#link(nodes[to]!, nodes[from]!, way, WAITING_MAX);
      }
    }
    return nodes;
  }

  #position({ schedule, in_flight, stages }: ClusterWork, stage: number): StagePosition {
    const norms = this.#input.norms ?? false;
    return { schedule, stage, stages: stages.length, inFlight: in_flight, norms };
  }

  /** What a stage sees of the others. */
  #world(of: Holder, cluster: () => readonly SimulatedNode[]): StageWorld {
    const { queue } = this;
    const { work, elements } = this.#input.clusters[of.cluster]!;
    const stage = work.stages[of.stage]!;
    const random = this.#random.fork("noise").fork(of.cluster).fork(of.stage);
    const times = new StageTimes({
      work: stage,
      samples: Math.ceil(work.batch_size / work.micro_batches),
      elements: elements[of.stage]!,
      partsWeights: splitsBackward({ schedule: work.schedule, stages: work.stages.length }),
      noise: noiseOf(random, this.#input.noise),
    });
    const machine = this.#machine(of, work);
    const spells = this.#slow(stage.node);
    const bytes = bytesOf(work);
    const self = () => cluster()[of.stage]!;
    return {
      get now_ms() {
        return queue.now_ms;
      },
      compute: (doing, samples, done) => {
        const begin = queue.now_ms;
        const work_ms = times.of(doing.type, samples);
        machine.run({
          work_ms,
          cores: stage.cores_used,
          spells,
          done: () => {
            if (self().state !== "runs") return;
            this.#observer.ran?.(of, doing, begin, queue.now_ms);
            done();
            if (self().training.finished) this.ended_ms = queue.now_ms;
          },
        });
      },
      send: (to, message, sent) => {
        const size = bytes(of.stage, to, message);
        const other = cluster()[to]!;
        const { kind } = message;
        this.#post(self(), other, { kind, bytes: size, ...(sent && { sent }) }, message.of, () => {
          other.training.receive(of.stage, message);
          if (other.training.finished) this.ended_ms = queue.now_ms;
        });
      },
    };
  }

  /** Nodes of one machine share its cores, where it is known how many there are. */
  #machine(of: Holder, { stages, cores }: ClusterWork): Machine {
    const { host } = stages[of.stage]!;
    const count = cores.get(host);
    const key = count === undefined ? `${host} ${of.cluster} ${of.stage}` : host;
    const known = this.#machines.get(key);
    const machine = known ?? new Machine(this.queue, count ?? Infinity);
    this.#machines.set(key, machine);
    return machine;
  }

  #link(from: SimulatedNode, to: SimulatedNode, way: Way, waiting_max: number): SimulatedLink {
    const { latency_ms, bandwidth_mbps } = way;
    const random = this.#random.fork("jitter").fork(from.name).fork(to.name);
    const mean_ms = this.#input.jitter * latency_ms;
    const [out, into] = [from.connection?.out, to.connection?.into];
    const isShared = from.host !== to.host && out !== undefined && into !== undefined;
    const link = new SimulatedLink(this.queue, {
      bandwidth_mbps,
      latency_ms,
      waiting_max,
      credit_bytes: CREDIT_BYTES,
      spells: this.#choked(from.name, to.name),
      ...(isShared ? { over: { from: out, to: into } } : {}),
      // Exponential: mostly a little later, now and then much.
      jitter: mean_ms === 0 ? () => 0 : () => -mean_ms * Math.log(1 - random.uniform()),
    });
    from.links.set(to, link);
    from.peers.add(to);
    to.peers.add(from);
    return link;
  }

  #slow(name: string): Spell[] {
    return (this.#input.faults ?? []).filter((fault) => fault.type === "slow")
      .filter(({ node }) => node === name);
  }

  #choked(from: string, to: string): Spell[] {
    return (this.#input.faults ?? []).filter((fault) => fault.type === "link")
      .filter(({ nodes }) => nodes.includes(from) && nodes.includes(to));
  }

  /** A node takes part in the rings: it sends to the next cluster. */
  #joinRings(node: SimulatedNode): void {
    const next = (node.cluster + 1) % this.nodes.length;
    for (const partner of partnersOf(this.#pieces, node)) {
      const to = this.nodes[partner.cluster]![partner.stage]!;
      const way = this.#input.wayBetween(node, to);
      // Pieces are given to a link a few at a time: so any number of them may wait.
      if (partner.cluster === next) this.#link(node, to, way, Infinity);
    }
    const { cluster, stage } = node;
    const self = { cluster, stage };
    node.training.averaging = new SimulatedAveraging({
      queue: this.queue,
      pieces: this.#pieces,
      self,
      values: this.#input.values?.(self, this.#pieces),
      send: (stage, transfer, sent) => {
        const to = this.nodes[next]![stage]!;
        const { kind, bytes, piece } = transfer;
        this.#post(node, to, { kind, bytes, sent }, piece, () => {
          to.training.averaging!.arrived(transfer, self);
        });
      },
      changed: () => {
        if (node.state === "runs") node.training.wake();
      },
    });
  }

  /** Sends something from node to node. */
  #post(
    from: SimulatedNode,
    to: SimulatedNode,
    message: Omit<Message, "arrived">,
    of: number,
    arrived: () => void,
  ): void {
    const { queue } = this;
    const given_ms = queue.now_ms;
    let left_ms = given_ms;
    from.links.get(to)!.send({
      ...message,
      sent: () => {
        left_ms = queue.now_ms;
        if (from.state === "runs") message.sent?.();
      },
      arrived: () => {
        if (to.state !== "runs") return;
        const { kind, bytes } = message;
        const arrived_ms = queue.now_ms;
        this.#observer.arrived?.(from, to, { kind, of, bytes, given_ms, left_ms, arrived_ms });
        arrived();
      },
    });
  }

  #node(name: string): SimulatedNode {
    const node = this.nodes.flat().find((node) => node.name === name);
    if (node === undefined) throw new Error(`no node is called ${name}`);
    return node;
  }

  /** Sees to it that a fault has its consequences. */
  #plan(fault: Fault): void {
    if (fault.type === "kill") {
      const node = this.#node(fault.node);
      this.queue.at(fault.at_ms, () => this.#kill(node));
    } else if (fault.type === "link") {
      const [a, b] = fault.nodes.map((name) => this.#node(name));
      const isSilent = fault.factor === Infinity && fault.end_ms - fault.begin_ms > SILENCE_MS;
      if (!isSilent || !a!.peers.has(b!)) return;
      this.queue.at(fault.begin_ms + SILENCE_MS, () => {
        this.#lose(a!, b!);
        this.#lose(b!, a!);
      });
    }
  }

  #kill(node: SimulatedNode): void {
    if (node.state !== "runs" || node.training.finished) return;
    node.state = "killed";
    for (const link of node.links.values()) link.cut();
    this.queue.after(SILENCE_MS, () => {
      for (const peer of node.peers) this.#lose(peer, node);
    });
  }

  /** A node has heard nothing of another one for too long. */
  #lose(node: SimulatedNode, lost: SimulatedNode): void {
    if (node.state !== "runs" || node.training.finished) return;
    const at_ms = this.queue.now_ms;
    this.#loss ??= {
      node: lost.name,
      address: lost.address,
      noticed_by: node.name,
      expected: node.training.expects,
      why: `nothing was heard from it for ${SILENCE_MS / 1000} s`,
      at_ms,
      ended_ms: at_ms,
    };
    this.#fail(node);
  }

  /** A node ends, and tells those with which it has links. */
  #fail(node: SimulatedNode): void {
    if (node.state !== "runs") return;
    node.state = "failed";
    this.ended_ms = this.queue.now_ms;
    for (const link of node.links.values()) link.cut();
    for (const peer of node.peers) {
      const way = peer.cluster === node.cluster
        ? wayInCluster(this.#input.clusters[node.cluster]!.work, node.stage, peer.stage)
        : this.#input.wayBetween(node, peer);
      this.queue.after(way.latency_ms, () => this.#fail(peer));
    }
  }
}
