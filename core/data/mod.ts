/** Data files in, samples out: readers, data sets, seeded sampling; and files written whole. */
export { type Column, columnOf, readColumn } from "./column.ts";
export { Dataset, type Feed, type Slot, slotOf, slotOfFact } from "./dataset.ts";
export { elementsOf } from "./elements.ts";
export { type Gather, gatherOf } from "./gather.ts";
export { fileHash } from "./file_hash.ts";
export { decodePicture, pictureSize } from "./images/decode.ts";
export { isFolder, listPictures } from "./images/folder.ts";
export { emptyPicture, type Picture } from "./images/picture.ts";
export { encodeJpeg } from "./images/jpeg_write.ts";
export { encodePng } from "./images/png_write.ts";
export { linearOf, type Step } from "./images/transform.ts";
export { checkClasses, isOneHot } from "./labels.ts";
export { arraysIn } from "./members.ts";
export { autoWorkers, type MakerPool, openPool } from "./made/pool.ts";
export { ON_ERRORS } from "./made/recipe.ts";
export { writeNpy } from "./npy.ts";
export { writeParquet } from "./parquet_write.ts";
export {
  type DataFiles,
  FOLDER_LABELS,
  type LabelShape,
  labelShapes,
  readDataset,
  TEXT_TASKS,
} from "./part.ts";
export { type BatchPlace, SampleReader } from "./reader.ts";
export { readWhole } from "./read.ts";
export { readSafetensors, type SafeTensors, writeSafetensors } from "./safetensors.ts";
export { Sampler, type SamplerOptions } from "./sampler.ts";
export type { TokenFolder } from "./text/kept_tokens.ts";
export { BYTES, readTokenizer } from "./text/tokenizer.ts";
export { scene } from "./standin/scenes.ts";
export { sentences, sentenceTokenizer } from "./standin/sentences.ts";
export { sorterSamples } from "./standin/sorter.ts";
export { type Content, writeWhole } from "./write.ts";
