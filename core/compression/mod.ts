/** Fewer bytes for tensors that travel: codecs, and what a sender keeps between messages. */
export type { Codec, CodecConfig, CodecKernels, CodecName, CompressionConfig } from "./codec.ts";
export { codecOf } from "./codecs.ts";
export { Compressor } from "./compressor.ts";
