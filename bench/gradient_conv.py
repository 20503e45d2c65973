"""Peer of gradient_conv.ts: both gradients of a convolution in PyTorch.

Arguments: threads, repeats, then samples, channels, filters, groups and stride, and lists with a
number for each axis: sizes of the map, of the kernel, padding; joined by x, and the whole by commas.
"""
import sys

import torch

from peer import serve

threads, repeats = int(sys.argv[1]), int(sys.argv[2])
torch.set_num_threads(threads)
torch.manual_seed(0)


def backward_of(text):
    *numbers, sizes, kernel, pads = text.split(",")
    n, c, m, groups, stride = map(int, numbers)
    sizes, kernel, pads = ([int(n) for n in each.split("x")] for each in (sizes, kernel, pads))
    x, weight = torch.randn(n, c, *sizes), torch.randn(m, c // groups, *kernel)
    axes = len(sizes)
    window = ([stride] * axes, pads, [1] * axes, False, [0] * axes, groups)
    dy = torch.randn(torch.ops.aten.convolution(x, weight, None, *window).shape)
    both = [True, True, False]
    return lambda: torch.ops.aten.convolution_backward(dy, x, weight, None, *window, both)


backward = backward_of(sys.argv[3])
version = ".".join(torch.__version__.split(".")[:2])
with torch.no_grad():
    serve(f"PyTorch {version} convolution_backward", backward, repeats)
