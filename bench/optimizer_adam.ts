/**
 * One update of Adam over 10 million parameters: the SIMD kernel, which takes one thread, against
 * PyTorch's fastest Adam on two.
 */
import { adam, Arena, floatsOf, paddedSize } from "../core/runtime/mod.ts";
import { interleave, millisecondsOf, report } from "./interleave.ts";
import { Peer } from "./peer.ts";

const BENCH = "optimizer/adam";
const THREADS = 2;
const REPEATS = 5;
/** Weights and biases of a perceptron 784-2048-2048-2048-10: 10,020,874 parameters. */
const SIZES = [784, 2048, 2048, 2048]
  .flatMap((inputs, i) => [inputs * (i < 3 ? 2048 : 10), i < 3 ? 2048 : 10]);

/** Weights, gradients and moments, one tensor behind the other. */
function parameters(): [Float32Array, Float32Array, Float32Array, Float32Array][] {
  const arena = new Arena(4 * SIZES.reduce((sum, size) => sum + paddedSize(4 * size), 0));
  return SIZES.map((size) => {
    const [weights, gradients, m, v] = arena
      .allocateTogether(new Array(4).fill(size * 4)).map(floatsOf) as Float32Array[];
    for (let i = 0; i < size; i++) {
      weights![i] = Math.sin(i) * 0.05;
      gradients![i] = Math.cos(i) * 0.01;
    }
    return [weights!, gradients!, m!, v!];
  });
}

async function main(): Promise<void> {
  const peer = await Peer.start(new URL("optimizer_adam.py", import.meta.url), [
    THREADS,
    REPEATS,
    ...SIZES,
  ]);
  if ("skipped" in peer) return report({ bench: BENCH, skipped: peer.skipped });
  await using _ended = peer;
  const tensors = parameters();
  let step = 0;
  const update = () => {
    step++;
    for (const [weights, gradients, m, v] of tensors) {
      adam(weights, weights, gradients, m, v, {
        lr: 1e-3,
        beta1: 0.9,
        beta2: 0.999,
        eps: 1e-8,
        weightDecay: 0,
        decoupled: false,
        step,
      });
    }
  };
  const found = await interleave(() => millisecondsOf(update, REPEATS), () => peer.run());
  report({ bench: BENCH, ...found, peer_name: peer.name, unit: "ms" });
}

if (import.meta.main) await main();
