import { Dataset, openPool, SampleReader } from "../data/mod.ts";
import { RavnError } from "../error.ts";

/** A worker thread may take this long to start and make one sample. */
const DEADLINE_MS = 20_000;

/**
 * Starts a worker thread, which makes one sample: a grey picture of one pixel.
 *
 * @returns what was made, and how long it took with the start of the thread
 * @throws {RavnError} where the thread does not start, or makes something else
 */
export async function makeOnThread(): Promise<{ value: number; elapsed_ms: number }> {
  const bytes = new SharedArrayBuffer(1);
  new Uint8Array(bytes)[0] = 51;
  const source = "a made-up picture";
  const dims = [1, 1, 1];
  const dataset = new Dataset(new Map(), new Map(), {
    source,
    count: 1,
    how: {
      kind: "pixels",
      bytes,
      shape: { width: 1, height: 1, channels: 1 },
      planar: true,
      steps: [{ type: "scale" }],
      extent: { width: 1, height: 1 },
    },
    onError: "stop",
    inputs: [{ name: "images", source, dtype: "float32", dims }],
    labels: [],
  });
  const feeds = dataset.inputFeeds([{ name: "images", dtype: "float32", dims }]);
  const begun = performance.now();
  using pool = openPool(1);
  const options = { seed: 0, shuffle: false, anew: false, stream: 0, warn: () => {} };
  const reader = new SampleReader({ ...options, dataset, feeds, pool: () => pool });
  const at = { epoch: 0, start: 0, samples: 1 };
  await within(reader.ready(at));
  const pixel = new Float32Array(1);
  reader.take("images", at, new Uint8Array(pixel.buffer));
  const value = pixel[0]!;
  if (Math.abs(value - 0.2) > 1e-6) {
    throw new RavnError(`a worker thread made ${value} of a pixel of 51; expected 0.2`);
  }
  return { value, elapsed_ms: performance.now() - begun };
}

async function within(ready: Promise<void> | undefined): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    const error = new RavnError(`a worker thread made nothing in ${DEADLINE_MS / 1000} s`);
    timer = setTimeout(() => reject(error), DEADLINE_MS);
  });
  try {
    await Promise.race([ready, late]);
  } finally {
    clearTimeout(timer);
  }
}
