/**
 * Model files in and out, and graphs to read and rewrite. Takes and gives bytes: files are read and
 * written elsewhere.
 */
export * from "./tensor.ts";
export * from "./graph.ts";
export * from "./facts.ts";

export { readModel } from "./read.ts";
export type { ModelSource } from "./read.ts";
export type { ExternalReader } from "./external_data.ts";
export { writeModel } from "./write.ts";
export type { ExternalOptions, ModelWithData, WriteOptions } from "./write.ts";
export { attributeOf, GraphBuilder } from "./builder.ts";
export type { AttributeValue, NodeOptions } from "./builder.ts";

export { checkGraph } from "./check.ts";
export type { GraphSource } from "./check.ts";
export { firstOpset, OPSETS, signatureOf } from "./operators.ts";
export type { Arity, Signature } from "./operators.ts";
export { inTopologicalOrder } from "./order.ts";
export { capturesOf, readsOf, subgraphsOf, withInputsRenamed } from "./subgraphs.ts";

export { traceFacts } from "./trace.ts";
export type { TracedFact, TracedFacts, TraceOptions } from "./trace.ts";
export type { Evaluate } from "./observe.ts";
export type { FeedOptions } from "./feeds.ts";
export { varyingValues } from "./dependence.ts";
export { foldConstants, withoutDeadNodes } from "./fold.ts";
export { withChosenBranches } from "./branches.ts";
export { withFreeBatch } from "./free_batch.ts";
export { hasFreeSizes, type SizeOptions, withSizes } from "./free_sizes.ts";
