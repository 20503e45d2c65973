/** Data files in, samples out: readers, data sets, seeded sampling; and files written whole. */
export { type Column, columnOf, readColumn } from "./column.ts";
export {
  type DataFiles,
  Dataset,
  type Feed,
  readDataset,
  type Slot,
  slotOf,
  slotOfFact,
} from "./dataset.ts";
export { type Gather, gatherOf } from "./gather.ts";
export { checkClasses, isOneHot } from "./labels.ts";
export { writeNpy } from "./npy.ts";
export { readWhole } from "./read.ts";
export { readSafetensors, type SafeTensors, writeSafetensors } from "./safetensors.ts";
export { Sampler, type SamplerOptions } from "./sampler.ts";
export { type Content, writeWhole } from "./write.ts";
