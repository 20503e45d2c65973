/**
 * Which machine does what: costs of operators and links, clusters of nodes, cuts of the model,
 * rings between clusters. Pure: the model, the nodes and measured times come in, a plan goes out.
 *
 * @module
 */
export { parseAssignment } from "./assignment.ts";
export { clusterWork, hostCores, hostNames } from "./cluster_work.ts";
export type { WorkTerms } from "./cluster_work.ts";
export { costKey } from "./cost_key.ts";
export { estimateCosts, mergeTimes } from "./cost.ts";
export type { OperatorTime, OperatorTimes } from "./cost.ts";
export { diffPlans } from "./diff.ts";
export type { ClusterChange, MovedOperators, NodeChange, NodePlace, PlanDiff } from "./diff.ts";
export { explainPlan } from "./explain.ts";
export type { Change, Explanation } from "./explain.ts";
export { parseJson } from "./json_text.ts";
export { megabytes } from "./layout.ts";
export type { LayoutTerms, Split } from "./layout.ts";
export { LOCAL_MBPS, wayBetween } from "./links.ts";
export type { NodeWay } from "./links.ts";
export { stageMemory } from "./memory.ts";
export type { MemoryBreakdown, StageLoad, StageMemoryTerms } from "./memory.ts";
export { nearest } from "./nearest.ts";
export { parseNodeConfigs } from "./node_configs.ts";
export type { NodeConfig } from "./node_configs.ts";
export { linkSchema, probeSchema } from "./node_measurements.ts";
export type { NodeLink, NodeProbe } from "./node_measurements.ts";
export { makePlan } from "./plan.ts";
export type { ModelIdentity, PlanInput } from "./plan.ts";
export { OBJECTIVES, parsePlan, planSchema } from "./plan_schema.ts";
export type { Objective, Plan, PlanCluster, PlanNode, PlanStage, Role } from "./plan_schema.ts";
export type { Overheads } from "./overheads.ts";
export { hostShares } from "./stage_threads.ts";
export { predictPlan } from "./predict_plan.ts";
export type { PlanPrediction, PlanPredictionTerms } from "./predict_plan.ts";
export { predict } from "./predict.ts";
export type {
  ClusterWork,
  Limit,
  LinkPrediction,
  LinkWork,
  Prediction,
  StagePrediction,
  StageWork,
} from "./predict.ts";
export { layRings } from "./rings.ts";
export type { Ring, RingMember, RingPlace, Rings } from "./rings.ts";
export type { TrainingTerms } from "./stage_costs.ts";
export { alignedRows, planLog, planTable } from "./table.ts";
export { modelState } from "./trainable.ts";
export type { ModelState } from "./trainable.ts";
export { transferTime } from "./transfer.ts";
export { workloadOf } from "./workload.ts";
export type { OperatorCost, StateCost, ValueCost, Workload, WorkloadOptions } from "./workload.ts";
