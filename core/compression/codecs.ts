import type { Codec, CodecConfig, CodecKernels } from "./codec.ts";
import { halfCodec } from "./half.ts";
import { int8Codec } from "./int8.ts";
import { topkCodec } from "./topk.ts";

/** The codec of a configuration, or nothing for `none`. */
export function codecOf(config: CodecConfig, kernels: CodecKernels): Codec | undefined {
  switch (config.type) {
    case "none":
      return undefined;
    case "f16":
    case "bf16":
      return halfCodec(config.type, kernels);
    case "int8":
      return int8Codec(kernels);
    case "topk":
      return topkCodec(config.share);
  }
}
