"""Peer of gradient_conv.ts: both gradients of a convolution in PyTorch.

Arguments: threads, repeats, then samples, channels, height, width, filters, height and width of the
kernel, stride, padding of height and width, and groups, joined by commas.
"""
import sys

import torch

from peer import serve

threads, repeats = int(sys.argv[1]), int(sys.argv[2])
torch.set_num_threads(threads)
torch.manual_seed(0)


def backward_of(text):
    n, c, h, w, m, kh, kw, stride, top, left, groups = map(int, text.split(","))
    x, weight = torch.randn(n, c, h, w), torch.randn(m, c // groups, kh, kw)
    window = ([stride, stride], [top, left], [1, 1], False, [0, 0], groups)
    dy = torch.randn(torch.ops.aten.convolution(x, weight, None, *window).shape)
    both = [True, True, False]
    return lambda: torch.ops.aten.convolution_backward(dy, x, weight, None, *window, both)


backward = backward_of(sys.argv[3])
version = ".".join(torch.__version__.split(".")[:2])
with torch.no_grad():
    serve(f"PyTorch {version} convolution_backward", backward, repeats)
