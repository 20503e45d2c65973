import type { OptimizerKernels } from "./optimizer.ts";

/**
 * The update rules in double precision, formula by formula as PyTorch's documentation and the
 * papers of Lion and LAMB write them. Slow and plain: what the kernels are compared with.
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
  rmsprop(weights, out, gradients, v, average, buffer, o) {
    for (let i = 0; i < weights.length; i++) {
      const w = weights[i]!;
      const g = gradients[i]! * (o.gradientScale ?? 1) + o.weightDecay * w;
      v[i] = o.alpha * v[i]! + (1 - o.alpha) * g * g;
      let variance = v[i]!;
      if (average !== undefined) {
        average[i] = o.alpha * average[i]! + (1 - o.alpha) * g;
        variance -= average[i]! ** 2;
      }
      let step = g / (Math.sqrt(variance) + o.eps);
      if (buffer !== undefined) step = buffer[i] = o.momentum * buffer[i]! + step;
      out[i] = w - o.lr * step;
    }
  },
  adagrad(weights, out, gradients, sums, o) {
    const lr = o.lr / (1 + (o.step - 1) * o.lrDecay);
    for (let i = 0; i < weights.length; i++) {
      const w = weights[i]!;
      const g = gradients[i]! * (o.gradientScale ?? 1) + o.weightDecay * w;
      sums[i] = sums[i]! + g * g;
      out[i] = w - lr * g / (Math.sqrt(sums[i]!) + o.eps);
    }
  },
  lion(weights, out, gradients, m, o) {
    for (let i = 0; i < weights.length; i++) {
      const w = weights[i]!;
      const g = gradients[i]! * (o.gradientScale ?? 1);
      const update = Math.sign(o.beta1 * m[i]! + (1 - o.beta1) * g);
      m[i] = o.beta2 * m[i]! + (1 - o.beta2) * g;
      out[i] = w - o.lr * (update + o.weightDecay * w);
    }
  },
  lamb(weights, out, gradients, m, v, o) {
    const steps = Float64Array.from(weights, (w, i) => {
      const g = gradients[i]! * (o.gradientScale ?? 1);
      m[i] = o.beta1 * m[i]! + (1 - o.beta1) * g;
      v[i] = o.beta2 * v[i]! + (1 - o.beta2) * g * g;
      const mean = m[i]! / (1 - o.beta1 ** o.step);
      const variance = v[i]! / (1 - o.beta2 ** o.step);
      return mean / (Math.sqrt(variance) + o.eps) + o.weightDecay * w;
    });
    const [size, length] = [Math.hypot(...weights), Math.hypot(...steps)];
    const ratio = size > 0 && length > 0 ? size / length : 1;
    for (let i = 0; i < weights.length; i++) out[i] = weights[i]! - o.lr * ratio * steps[i]!;
  },
};
