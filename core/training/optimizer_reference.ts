import type { OptimizerKernels } from "./optimizer.ts";

/**
 * The update rules in double precision, formula by formula as PyTorch's documentation writes them.
 * Slow and plain: what the kernels are compared with.
 */
export const REFERENCE_KERNELS: OptimizerKernels<Float64Array> = {
  adam(weights, out, gradients, m, v, o) {
    for (let i = 0; i < weights.length; i++) {
      let w = weights[i]!;
      let g = gradients[i]! * (o.gradientScale ?? 1);
      if (o.decoupled) w -= o.lr * o.weightDecay * w;
      else g += o.weightDecay * w;
      m[i] = o.beta1 * m[i]! + (1 - o.beta1) * g;
      v[i] = o.beta2 * v[i]! + (1 - o.beta2) * g * g;
      const mean = m[i]! / (1 - o.beta1 ** o.step);
      const variance = v[i]! / (1 - o.beta2 ** o.step);
      out[i] = w - o.lr * mean / (Math.sqrt(variance) + o.eps);
    }
  },
  sgd(weights, out, gradients, buffer, o) {
    for (let i = 0; i < weights.length; i++) {
      const w = weights[i]!;
      let g = gradients[i]! * (o.gradientScale ?? 1) + o.weightDecay * w;
      if (buffer !== undefined) {
        buffer[i] = o.first ? g : o.momentum * buffer[i]! + (1 - o.dampening) * g;
        g = o.nesterov ? g + o.momentum * buffer[i]! : buffer[i]!;
      }
      out[i] = w - o.lr * g;
    }
  },
};
