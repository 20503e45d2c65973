import type { OperatorInfo } from "../core/autodiff/mod.ts";
import type { ConfigKey } from "../core/run/config_keys.ts";
import type * as dataAsk from "../core/run/data_requests.ts";
import type { RunHost } from "../core/run/events.ts";
import type * as ask from "../core/run/requests.ts";
import type * as simulateAsk from "../core/run/simulate_requests.ts";
import type * as traceAsk from "../core/run/trace_requests.ts";

/** What the verbs ask of the engine. A test puts its own in the place of {@link engine}. */
export interface Engine {
  init(request: ask.InitRequest): Promise<ask.InitReport>;
  clusterize(request: ask.ClusterizeRequest, host: RunHost): Promise<ask.ClusterizeReport>;
  plan(request: ask.PlanRequest, host: RunHost): Promise<ask.PlanReport>;
  probe(request: ask.ProbeRequest, host: RunHost): Promise<ask.ProbeReport>;
  provide(request: ask.ProvideRequest, host: RunHost): Promise<void>;
  train(request: ask.TrainRequest, host: RunHost): Promise<ask.TrainReport>;
  fuse(request: ask.FuseRequest): Promise<ask.FuseReport>;
  trace(request: traceAsk.TraceRequest): Promise<traceAsk.TraceReport>;
  simulate(request: simulateAsk.SimulateRequest): Promise<simulateAsk.SimulateReport>;
  evaluate(request: ask.EvalRequest): Promise<ask.EvalReport>;
  predict(request: ask.PredictRequest): Promise<ask.PredictReport>;
  inspect(request: ask.InspectRequest): Promise<ask.InspectReport>;
  verify(request: ask.VerifyRequest): Promise<ask.VerifyReport>;
  /** What is known of every operator. */
  operators(): Promise<readonly OperatorInfo[]>;
  readonly data: DataEngine;
  doctor(): AsyncIterable<ask.Check>;
  /** The keys of `ravn.yaml` with their defaults. */
  configKeys(): Promise<readonly ConfigKey[]>;
}

/** What `ravn data` asks. */
export interface DataEngine {
  info(request: dataAsk.DataInfoRequest): Promise<dataAsk.DataInfoReport>;
  convert(request: dataAsk.DataConvertRequest): Promise<dataAsk.DataConvertReport>;
  sample(request: dataAsk.DataSampleRequest): Promise<dataAsk.DataSampleReport>;
  make(request: dataAsk.DataMakeRequest): Promise<dataAsk.DataMakeReport>;
}

/** Loads a part of the engine when a verb first needs it, so that `ravn --help` loads none. */
export const engine: Engine = {
  init: async (request) => (await import("../core/run/init.ts")).init(request),
  clusterize: async (request, host) =>
    (await import("../core/run/clusterize.ts")).clusterize(request, host),
  plan: async (request, host) => (await import("../core/run/explain.ts")).explain(request, host),
  probe: async (request, host) => (await import("../core/run/probe.ts")).probe(request, host),
  provide: async (request, host) => (await import("../core/run/provide.ts")).provide(request, host),
  train: async (request, host) => (await import("../core/run/train.ts")).train(request, host),
  fuse: async (request) => (await import("../core/run/fuse.ts")).fuse(request),
  trace: async (request) => (await import("../core/run/trace.ts")).trace(request),
  simulate: async (request) => (await import("../core/run/simulate.ts")).simulate(request),
  evaluate: async (request) => (await import("../core/run/evaluate.ts")).evaluate(request),
  predict: async (request) => (await import("../core/run/predict.ts")).predict(request),
  inspect: async (request) => (await import("../core/run/inspect.ts")).inspect(request),
  verify: async (request) => (await import("../core/run/verify.ts")).verify(request),
  operators: async () => (await import("../core/autodiff/mod.ts")).operators(),
  data: {
    info: async (request) => (await import("../core/run/data_info.ts")).dataInfo(request),
    convert: async (request) => (await import("../core/run/data_convert.ts")).dataConvert(request),
    sample: async (request) => (await import("../core/run/data_sample.ts")).dataSample(request),
    make: async (request) => (await import("../core/run/data_make.ts")).dataMake(request),
  },
  doctor: async function* () {
    yield* (await import("../core/run/doctor.ts")).doctor();
  },
  configKeys: async () => (await import("../core/run/config_keys.ts")).CONFIG_KEYS,
};
